/**
 * The packages of the router that a driver outside of the repository may import. Bun looks for packages beside the
 * importing file, and a folder such as `DRIVERS_DIR` has none.
 */
import * as typebox from '@sinclair/typebox';
import * as typeboxValue from '@sinclair/typebox/value';

const PACKAGES = { '@sinclair/typebox': typebox, '@sinclair/typebox/value': typeboxValue };

/** Makes these packages available to every module that is loaded later. */
export function sharePackages(): void {
  Bun.plugin({
    name: 'packages shared with drivers',
    setup(build) {
      for (const [name, exports] of Object.entries(PACKAGES)) build.module(name, () => ({ exports, loader: 'object' }));
    },
  });
}
