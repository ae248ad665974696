/** Compressed bodies, and bodies that are no JSON: read within their limit, or refused with what to change. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { memoryBackend, PEOPLE, startRouter, type TestRouter } from '../support/router';
import { completion, scriptedRunner } from '../support/scripted-runner';

const MAX_BYTES = 1_000_000;
const runner = scriptedRunner('encoded-bodies');
let router: TestRouter;
let key: string;
beforeAll(async () => {
  const backends = [
    memoryBackend('scripted', { paths: ['chat/completions', 'models', 'audio/*', 'embeddings'] }, runner.program),
  ];
  router = await startRouter({ backends, env: { MAX_BODY_BYTES: String(MAX_BYTES) } });
  key = await (await router.person(PEOPLE.alice)).createKey();
  runner.reply = () => completion('Hello.');
});
afterAll(() => router[Symbol.asyncDispose]());

const BODY = JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content: 'Grüße 🌍' }] });
const CODINGS = {
  gzip: gzipSync,
  'x-gzip': gzipSync,
  GZIP: gzipSync,
  deflate: deflateSync,
  br: (data: string | Buffer) => brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
  zstd: zstdCompressSync,
};

function post(body: BodyInit, headers: Record<string, string>, path = 'chat/completions'): Promise<Response> {
  return fetch(`${router.url}/v1/${path}`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
  });
}
async function refusal(response: Response) {
  const { error } = (await response.json()) as { error: { message: string; code: string } };
  return { status: response.status, ...error };
}

for (const [coding, compress] of Object.entries(CODINGS)) {
  test(`a body that is compressed is read: ${coding}`, async () => {
    const before = runner.requests.length;
    const bytes = compress(BODY);
    for (const body of [bytes, new Blob([bytes]).stream()]) {
      expect((await post(body, { 'content-encoding': coding })).status).toBe(200);
    }
    const asked = runner.requests.slice(before).map(({ text, headers }) => [text, headers.get('content-encoding')]);
    expect(asked).toEqual([
      [BODY, null],
      [BODY, null],
    ]);
  });

  test(`a body that grows beyond the limit, or is not of its coding, is refused: ${coding}`, async () => {
    const headers = { 'content-encoding': coding };
    const bomb = compress(Buffer.alloc(20 * MAX_BYTES));
    expect(bomb.length).toBeLessThan(MAX_BYTES);
    expect(await refusal(await post(bomb, headers))).toMatchObject({ status: 413, code: 'too_large' });
    for (const wrong of [BODY, bomb.subarray(0, 1)]) {
      expect(await refusal(await post(wrong, headers))).toMatchObject({ status: 400, code: 'invalid_request' });
    }
  });
}

test('a coding that is not known, or several of them, is refused by name', async () => {
  for (const coding of ['compress', 'gzip, br', 'constructor', 'aes128gcm']) {
    const refused = await refusal(await post(gzipSync(BODY), { 'content-encoding': coding }));
    expect(refused).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    expect(refused.message).toContain(`"${coding}"`);
  }
  expect((await post(BODY, { 'content-encoding': 'identity' })).status).toBe(200);
});

test('a body that is no JSON by its type is refused with the header to send, where JSON is what is taken', async () => {
  const types = [
    'application/x-www-form-urlencoded',
    'text/plain;charset=UTF-8',
    'application/octet-stream',
    'multipart/form-data; boundary=x',
  ];
  for (const type of types) {
    for (const path of ['chat/completions', 'responses', 'embeddings']) {
      const refused = await refusal(await post(BODY, { 'content-type': type }, path));
      expect(refused).toMatchObject({ status: 415, code: 'unsupported_media_type' });
      expect(refused.message).toContain('Content-Type: application/json');
    }
  }
  for (const type of [
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON',
    'application/vnd.api+json',
  ]) {
    expect([type, (await post(BODY, { 'content-type': type })).status]).toEqual([type, 200]);
  }
});

test('a form with files goes on to a path that takes one, and a form of fields does not', async () => {
  const form = new FormData();
  form.set('model', 'scripted');
  form.set('file', new File(['abc'], 'a.wav'));
  const { headers, body } = new Request('http://x', { method: 'POST', body: form });
  const type = { 'content-type': headers.get('content-type') ?? '' };
  const sent = await new Response(body).bytes();
  expect((await post(sent, type, 'audio/transcriptions?model=scripted')).status).toBe(200);
  const fields = { 'content-type': 'application/x-www-form-urlencoded' };
  expect((await post('model=scripted', fields, 'audio/transcriptions?model=scripted')).status).toBe(415);
});
