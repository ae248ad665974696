/** What is asked of a plugin from npm, and what the log says when it fails in a way that the contract does not foresee. */
import { afterAll, expect, spyOn, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BackendRegistry } from '../../router/backends/backends';
import { createEvents } from '../../router/lib/events';
import { driversLog } from '../../router/lib/log';
import { DriverRegistry } from '../../router/platforms/drivers';
import { platformsService } from '../../router/platforms/health';

const folder = mkdtempSync(join(tmpdir(), 'plugins-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Loads a plugin that is installed as `npm:acme`, whose driver has another name and the methods of `text`. */
async function platformOf(name: string, text: string) {
  const home = join(folder, name);
  const installed = join(home, 'node_modules/acme');
  mkdirSync(installed, { recursive: true });
  writeFileSync(join(installed, 'package.json'), '{"name":"acme","main":"main.ts","type":"module"}');
  const paper = join(import.meta.dir, '../support/drivers/paper/index.ts');
  writeFileSync(
    join(installed, 'main.ts'),
    `import paper from ${JSON.stringify(paper)};
    let asked = 0;
    export default { ...paper, create: (...given) => ({ ...paper.create(...given), ${text} }) };`,
  );
  writeFileSync(join(home, 'backends.json'), JSON.stringify([{ name: 'a', driver: 'npm:acme' }]));
  const backends = BackendRegistry.load(join(home, 'backends.json')).all();
  const services = () => ({
    installationId: 'here',
    installationLabel: 'installation',
    stateDir: home,
    log: () => undefined,
  });
  const drivers = await DriverRegistry.load({ packagesFrom: home, backends, options: {}, services });
  const platforms = platformsService({ drivers, events: createEvents(), versionMs: 50 });
  return { platforms, check: () => platforms.check(new AbortController().signal) };
}

test('the version of a platform is asked for once while it answers, whatever its driver is called', async () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a module.
  const { platforms, check } = await platformOf('versions', 'version: async () => `Acme ${(asked += 1)}`');
  for (const _ of ['once', 'again']) await check();
  expect(platforms.versions()).toEqual(['Acme 1']);
});

test('the version of a platform that fell silent is forgotten, and asked for again', async () => {
  const text =
    "version: async () => 'Acme 1', ping: async () => { asked += 1; if (asked === 2) throw new Error('no'); }";
  const { platforms, check } = await platformOf('silence', text);
  const seen: (readonly string[])[] = [];
  for (const _ of ['answers', 'fails', 'answers again']) {
    await check();
    seen.push(platforms.versions());
  }
  expect(seen).toEqual([['Acme 1'], [], ['Acme 1']]);
});

test('an error of a driver that is no DriverError is in the log as a whole, and one that is has its sentence', async () => {
  using warn = spyOn(driversLog, 'warn').mockReturnValue(undefined);
  const broken = await platformOf('broken', "ping: async () => { throw new TypeError('x is not a function'); }");
  await broken.check();
  expect(broken.platforms.problems()['npm:acme']).toBe('It failed. The log has the reason.');
  expect(warn.mock.calls.at(-1)).toEqual([
    { driver: 'npm:acme', reason: 'It failed. The log has the reason.', err: expect.any(TypeError) },
    'platform.silent',
  ]);
  const said =
    "ping: async () => { throw Object.assign(new Error('[acme] it sleeps'), { name: 'DriverError', fault: 'unavailable' }); }";
  await (await platformOf('said', said)).check();
  expect(warn.mock.calls.at(-1)).toEqual([{ driver: 'npm:acme', reason: 'It sleeps.' }, 'platform.silent']);
});

test('a platform that needs longer than a second to answer comes back after it was silent', async () => {
  const ping = `ping: (signal) => new Promise((answer, reject) => {
    if ((asked += 1) === 1) reject(Object.assign(new Error('[acme] it sleeps'), { name: 'DriverError', fault: 'unavailable' }));
    const timer = setTimeout(answer, 1_500);
    signal.addEventListener('abort', () => (clearTimeout(timer), reject(new Error('too late'))));
  })`;
  const { platforms, check } = await platformOf('distant', ping);
  await check();
  expect(platforms.problems()).toEqual({ 'npm:acme': 'It sleeps.' });
  await check();
  expect(platforms.problems()).toEqual({});
});

test('a platform that answers and never says its version is not silent, and is not waited for again', async () => {
  const counted = { asked: 0 };
  Object.assign(globalThis, { counted });
  const text = 'version: () => new Promise(() => { globalThis.counted.asked += 1; })';
  const { platforms, check } = await platformOf('nameless', text);
  for (const _ of ['once', 'again']) await check();
  expect(counted.asked).toBe(1);
  expect(platforms.problems()).toEqual({});
  expect(platforms.versions()).toEqual([]);
});

test('a platform that was silent answers again before it has said its version', async () => {
  const asked = Promise.withResolvers<(version: string) => void>();
  Object.assign(globalThis, { versionAsked: asked.resolve });
  const { platforms, check } = await platformOf(
    'slow-to-say',
    `ping: async () => { if ((asked += 1) === 1) throw new Error('no'); },
    version: () => new Promise((say) => globalThis.versionAsked(say))`,
  );
  await check();
  expect(Object.keys(platforms.problems())).toEqual(['npm:acme']);
  const checked = check();
  const say = await asked.promise;
  expect(platforms.problems()).toEqual({});
  say('Acme 1');
  await checked;
});
