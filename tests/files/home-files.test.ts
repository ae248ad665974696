import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { link, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';

let router: TestRouter;
let alice: Person;
let mallory: Person;
let agentId: string;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('echo')], env: { MAX_BODY_BYTES: '200000' } });
  alice = await router.person(PEOPLE.alice);
  mallory = await router.person(PEOPLE.mallory);
  const { agents } = (await (await alice.request('/api/agents')).json()) as { agents: { id: string }[] };
  agentId = agents[0]?.id ?? '';
});
afterAll(() => router[Symbol.asyncDispose]());

const home = (...path: string[]) => join(router.dataRoot, 'homes', agentId, ...path);
const api = (what: string, path: string, more = '') =>
  `/api/agents/${agentId}/files${what}?path=${encodeURIComponent(path)}${more}`;
const page = async (path: string, person = alice) => {
  const href = `/agents/${agentId}/files?path=${encodeURIComponent(path)}`;
  const response = await person.request(href, { headers: { accept: 'text/html' } });
  return { status: response.status, text: await response.text() };
};
const listed = async (path = '') => {
  const answer = (await (await alice.request(api('', path))).json()) as { entries: { name: string; kind: string }[] };
  return answer.entries.map(({ name, kind }) => `${kind} ${name}`);
};

function uploadForm(files: Record<string, string>, fields: Record<string, string> = {}) {
  const body = new FormData();
  for (const [name, text] of Object.entries(files)) body.append('files', new File([text], name));
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return { method: 'POST', body, headers: { accept: 'text/html' } };
}

test('a home that does not exist yet is empty, and an upload makes it', async () => {
  expect(await listed()).toEqual([]);
  expect((await page('')).text).toContain('The home is made at the first start');
  const response = await alice.request(`/agents/${agentId}/files`, uploadForm({ 'notes.md': '# Notes' }));
  expect(response.headers.get('location')).toBe(`/agents/${agentId}/files?said=uploaded`);
  expect(await listed()).toEqual(['file notes.md']);
  expect(await readFile(home('notes.md'), 'utf8')).toBe('# Notes');
});

test('folders come first, and text is shown as text whatever it says', async () => {
  await mkdir(home('work/deep'), { recursive: true });
  await writeFile(home('work/page.html'), '<script>alert(1)</script>');
  expect(await listed()).toEqual(['folder work', 'file notes.md']);
  expect((await page('work/page.html')).text).toContain('&lt;script>alert(1)&lt;/script>');
});

test('a file is downloaded whole, as bytes that no browser shows', async () => {
  const name = 'Übersicht "2" .html';
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const whole = Buffer.concat([bytes, bytes, bytes]);
  await writeFile(home('work', name), whole);
  const response = await alice.request(api('/content', `work/${name}`));
  expect(response.headers.get('content-type')).toBe('application/octet-stream');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(response.headers.get('content-disposition')).toBe(
    `attachment; filename="_bersicht _2_ .html"; filename*=UTF-8''${encodeURIComponent(name)}`,
  );
  expect(Buffer.from(await response.arrayBuffer()).equals(whole)).toBe(true);
});

test('only a picture is shown, known by its bytes and not by its name', async () => {
  await writeFile(home('dot.txt'), Buffer.from('89504e470d0a1a0a0000', 'hex'));
  await writeFile(home('not.png'), '<svg onload="alert(1)">');
  const type = async (name: string) =>
    (await alice.request(api('/content', name, '&show'))).headers.get('content-type');
  expect(await type('dot.txt')).toBe('image/png');
  expect(await type('not.png')).toBe('application/octet-stream');
  expect((await page('dot.txt')).text).toContain('<img class="picture"');
});

test('a folder is downloaded as an archive, without links', async () => {
  await symlink('/etc/hosts', home('work/hosts'));
  await writeFile(home('work/deep/inner.txt'), 'inner');
  const response = await alice.request(api('/archive', 'work'));
  expect(response.headers.get('content-type')).toBe('application/gzip');
  expect(response.headers.get('content-disposition')).toStartWith('attachment; filename="work.tar.gz"');
  const out = home('..', '..', 'out');
  await mkdir(out, { recursive: true });
  await writeFile(join(out, 'a.tar.gz'), await response.bytes());
  const names = (await Bun.$`tar tzf ${join(out, 'a.tar.gz')}`.text()).split('\n');
  expect(names).toContain('work/deep/inner.txt');
  expect(names.join()).not.toContain('hosts');
  await Bun.$`tar xzf ${join(out, 'a.tar.gz')} -C ${out}`.quiet();
  expect(await readFile(join(out, 'work/deep/inner.txt'), 'utf8')).toBe('inner');
  await rm(out, { recursive: true });
});

test('the size of a home is what its files weigh', async () => {
  const size = (await (await alice.request(`/api/agents/${agentId}/files/size`)).json()) as Record<string, unknown>;
  expect(size).toMatchObject({ files: 6, complete: true });
});

test('an upload replaces a file only if that is asked for', async () => {
  const again = (fields = {}) => alice.request(`/agents/${agentId}/files`, uploadForm({ 'notes.md': 'new' }, fields));
  const refused = await again();
  expect(refused.status).toBe(409);
  expect(await refused.text()).toContain('There is already something with the name &quot;notes.md&quot;');
  expect(await readFile(home('notes.md'), 'utf8')).toBe('# Notes');
  expect((await again({ replace: 'yes' })).status).toBe(303);
  expect(await readFile(home('notes.md'), 'utf8')).toBe('new');
  const put = (more: string) => alice.request(api('/content', 'notes.md', more), { method: 'PUT', body: 'by program' });
  expect((await put('')).status).toBe(409);
  expect((await put('&replace')).status).toBe(204);
  expect(await readFile(home('notes.md'), 'utf8')).toBe('by program');
});

describe('law 7: what is refused', () => {
  test('a link is neither followed nor opened, at the end of a path and in its middle', async () => {
    await symlink('/etc', home('etc'));
    await symlink('/etc/hosts', home('hosts'));
    for (const path of ['etc/hosts', 'hosts', 'work/hosts']) {
      for (const what of ['/content', '/archive']) {
        const response = await alice.request(api(what, path));
        expect([path, what, response.status]).toEqual([path, what, 409]);
      }
    }
    expect(await listed()).toContain('other hosts');
    expect((await page('etc')).status).toBe(409);
    expect((await page('hosts')).text).not.toContain('localhost');
  });

  test('a file that has another name as well is not opened: the other one may be outside', async () => {
    const secret = join(router.dataRoot, 'secret.txt');
    await writeFile(secret, 'a secret of the router');
    await link(secret, home('harmless.txt'));
    const response = await alice.request(api('/content', 'harmless.txt'));
    expect([response.status, await response.text()].join()).not.toContain('a secret of');
    expect(response.status).toBe(409);
    const archive = await alice.request(api('/archive', ''));
    expect(Buffer.from(Bun.gunzipSync(await archive.bytes())).includes('a secret of')).toBe(false);
    await rm(home('harmless.txt'));
  });

  test('a pipe is not waited for', async () => {
    await Bun.$`mkfifo ${home('pipe')}`.quiet();
    expect((await alice.request(api('/content', 'pipe'))).status).toBe(409);
    await rm(home('pipe'));
  });

  test('no path leads out of the home, read or written', async () => {
    for (const path of ['..', '../..', 'work/../../x', './work', 'a\0b', 'x'.repeat(256), 'd/'.repeat(65)]) {
      for (const what of ['', '/content', '/archive']) {
        const { status } = await alice.request(api(what, path));
        expect([path, what, status]).toEqual([path, what, 400]);
      }
      const { status } = await alice.request(api('/content', `${path}/x`), { method: 'PUT', body: 'x' });
      expect([path, status]).toEqual([path, 400]);
    }
    const sent = await alice.request(`/agents/${agentId}/files`, uploadForm({ '../../escaped.txt': 'x' }));
    expect(sent.status).toBe(303);
    expect(await listed()).toContain('file escaped.txt');
  });

  test('an upload through a link, or over the limit, is refused', async () => {
    expect((await alice.request(api('/content', 'etc/x'), { method: 'PUT', body: 'x' })).status).toBe(409);
    const large = await alice.request(`/agents/${agentId}/files`, uploadForm({ 'large.bin': 'x'.repeat(200_001) }));
    expect(large.status).toBe(413);
    expect(await listed()).not.toContain('file large.bin');
  });

  test('an upload over a link replaces the link, not what it leads to', async () => {
    const outside = join(router.dataRoot, 'outside.txt');
    await writeFile(outside, 'untouched');
    await symlink(outside, home('way.txt'));
    await alice.request(api('/content', 'way.txt', '&replace'), { method: 'PUT', body: 'mine' });
    expect(await readFile(outside, 'utf8')).toBe('untouched');
    expect(await readFile(home('way.txt'), 'utf8')).toBe('mine');
  });

  test('nobody reads or writes the files of another user', async () => {
    expect((await page('', mallory)).status).toBe(404);
    for (const what of ['', '/content', '/archive', '/size']) {
      expect([what, (await mallory.request(api(what, 'notes.md'))).status]).toEqual([what, 404]);
    }
    expect((await mallory.request(api('/content', 'm.txt'), { method: 'PUT', body: 'm' })).status).toBe(404);
    expect((await mallory.request(`/agents/${agentId}/files`, uploadForm({ 'm.txt': 'm' }))).status).toBe(404);
    expect(await listed()).not.toContain('file m.txt');
  });
});

test('a folder with too much in it is refused as an archive, before its first byte', async () => {
  await Bun.$`seq 1 20001 | (cd ${home('work/deep')} && xargs touch)`.quiet();
  const response = await alice.request(api('/archive', 'work'));
  expect(response.status).toBe(413);
  const { entries, more } = (await (await alice.request(api('', 'work/deep'))).json()) as {
    entries: unknown[];
    more: number;
  };
  expect([entries.length, more]).toEqual([1_000, 19_002]);
});

test('law 20: a download ends with the session that it was asked for in, and is not counted any more', async () => {
  await writeFile(home('long'), new Uint8Array(50_000_000));
  const elsewhere = await router.person(PEOPLE.alice);
  const before = router.context.streams.size;
  const response = await elsewhere.request(api('/content', 'long'));
  const reader = response.body?.getReader();
  await reader?.read();
  expect(router.context.streams.size).toBe(before + 1);
  await elsewhere.request('/sign-out', { method: 'POST' });
  const rest = async () => {
    while (!(await reader?.read())?.done);
  };
  await expect(rest()).rejects.toThrow();
  await until(() => router.context.streams.size === before, 'nothing is counted');
});
