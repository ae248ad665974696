/** What the image of the `Dockerfile` holds. That it runs is tested with an engine: tests/drivers/docker-compose.test.ts. */
import { expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repositoryRoot } from '../../router/config/root';
import { readSources } from '../support/sources';

test('every file that the image holds finds there what it imports', async () => {
  const text = await readFile(join(repositoryRoot, '.dockerignore'), 'utf8');
  const allowed = [...text.matchAll(/^!(.+)$/gm)].map(([, path = '']) => path);
  const isHeld = (path: string) => allowed.some((one) => path === one || path.startsWith(`${one}/`));
  const sources = (await readSources(['router', 'drivers', 'views', 'backends', 'scripts'])).filter(({ path }) =>
    isHeld(path),
  );
  expect(sources.map(({ path }) => path)).toContain('scripts/admin.ts');
  const missing = sources.flatMap(({ path, imports }) =>
    imports
      .filter(({ isOurs, target }) => isOurs && !['', '.ts', '.tsx'].some((ending) => isHeld(target + ending)))
      .map(({ target }) => `${path} imports ${target}: let it into the image, in .dockerignore`),
  );
  expect(missing).toEqual([]);
});
