/** Administration → Backends: the state of each entry of `backends.json`, on a page and at `/api/admin/backends`. */
import { Elysia } from 'elysia';
import { AdminBackendsPage } from '../../views/admin/backends';
import type { AdminBackendView } from '../../views/admin/models';
import type { SessionPlugin } from '../accounts/identify';
import type { ShellOf } from '../accounts/present-pages';
import { EVERYBODY, type UserLimitsService } from '../accounts/user-limits';
import type { Backend, BackendRegistry } from '../backends/backends';
import type { PlatformsService } from '../platforms/health';
import type { ImagesService } from '../platforms/images';
import type { RunnersService } from '../runners/runners';
import { page } from '../web/respond';

export interface BackendsRoutesDeps {
  readonly backends: BackendRegistry;
  readonly images: Pick<ImagesService, 'stateOf'>;
  readonly platforms: Pick<PlatformsService, 'problemOf'>;
  readonly runners: Pick<RunnersService, 'running'>;
  readonly shell: ShellOf;
  readonly userLimits: Pick<UserLimitsService, 'setFor'>;
}

export function backendsRoutes(deps: BackendsRoutesDeps, session: SessionPlugin) {
  const { backends, shell } = deps;

  return new Elysia({ name: 'all-backends' })
    .use(session)
    .get(
      '/admin/backends',
      async ({ who }) => {
        const views = backends.all().map((backend) => backendView(deps, backend));
        return page(who, <AdminBackendsPage shell={await shell(who)} backends={views} problem={backends.problem} />);
      },
      { admin: true },
    )
    .get(
      '/api/admin/backends',
      () => ({
        backends: backends.all().map((backend) => {
          const { name, driver, image, imageState, problem, runners, isDisabled, isForAll } = backendView(
            deps,
            backend,
          );
          return {
            ...{ name, driver, image: image ?? null, image_state: imageState ?? null, problem: problem ?? null },
            ...{ runners, disabled: isDisabled, for_everybody: isForAll },
          };
        }),
        problem: backends.problem ?? null,
      }),
      { admin: true },
    );
}

function backendView(
  { images, platforms, runners, userLimits }: BackendsRoutesDeps,
  backend: Backend,
): AdminBackendView {
  const { name, displayName, driver, disabled, image } = backend;
  const imageState = images.stateOf(backend);
  const { backends: allowed } = userLimits.setFor(EVERYBODY);
  const failed = imageState?.state === 'failed' ? imageState.message : undefined;
  const problem = platforms.problemOf(driver)?.message ?? failed;
  return {
    ...{ name, displayName, driver, isDisabled: disabled },
    ...(image !== undefined && { image }),
    ...(imageState && { imageState: imageState.state }),
    ...(problem !== undefined && { problem }),
    runners: runners.running().filter(({ agent }) => agent.backend === name).length,
    isForAll: allowed?.includes(name) ?? true,
  };
}
