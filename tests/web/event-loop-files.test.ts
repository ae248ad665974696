/** Nobody waits for the files of somebody else: attached, told to a runtime, in an answer, exported or imported. */
import { expect } from 'bun:test';
import {
  alice,
  answers,
  chat,
  DONE,
  delta,
  MB,
  nobodyWaits,
  router,
  STORED,
  says,
  useRouterProcess,
} from '../support/event-loop';
import { dataUri, messageForm, png } from '../support/files';

useRouterProcess();

/** A picture that is so large; each is another content. */
function picture(bytes: number): Uint8Array<ArrayBuffer> {
  const large = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(large.subarray(at, at + 65_536));
  large.set(png());
  return large;
}

async function begin(files: Record<string, Uint8Array>): Promise<Response> {
  says({ role: 'assistant', content: 'Hi' });
  const page = await (await alice.request('/agents')).text();
  const id = /href="\/agents\/([0-9a-f]{24})\/settings"/.exec(page)?.[1];
  const response = await fetch(`${router.url}/agents/${id}/conversations`, {
    ...messageForm('Look', files),
    headers: { cookie: alice.cookie },
    redirect: 'manual',
  });
  await response.bytes();
  return response;
}

const rows = (length: number) => 'a,b,"c"\n'.repeat(length / 8);
const files = () => ({ 'a.png': picture(9 * MB), 'b.png': picture(4 * MB), 'c.csv': Buffer.from(rows(MB - 8)) });
let exported = '';

nobodyWaits({
  'a message with 14 MB of files': [303, async () => (await begin(files())).status],
  'a chat that brings 10 MB of pictures, which are stored': [
    200,
    () => {
      says({ role: 'assistant', content: 'Hi' });
      const parts = [5, 4].map((size) => ({ type: 'image_url', image_url: { url: dataUri(picture(size * MB)) } }));
      return chat({ ...STORED, messages: [{ role: 'user', content: parts }] });
    },
  ],
  'an answer with a picture of 9 MB in one event': [
    200,
    () => {
      const image = JSON.stringify({ type: 'image_url', image_url: { url: dataUri(picture(9 * MB)) } });
      return answers(delta(`"images":[${image}]`) + DONE, STORED);
    },
  ],
  'an answer with a picture of 9 MB in Markdown': [
    200,
    () => {
      const text = `![x](${dataUri(picture(9 * MB))})`;
      const pieces = text.match(/.{1,2000}/gs) ?? [];
      return answers(pieces.map((piece) => delta(`"content":"${piece}"`)).join('') + DONE, STORED);
    },
  ],
  'an answer that begins pictures again and again': [
    200,
    () => answers(delta(`"content":"${'![a](data:image/png;base64,AAAA'.repeat(10_000)}"`).repeat(10) + DONE, STORED),
  ],
  'an answer of exclamation marks and brackets': [
    200,
    () => answers(delta(`"content":"${'![![!['.repeat(20_000)}"`).repeat(20) + DONE, STORED),
  ],
  'an export of 14 MB of files': [
    200,
    async () => {
      const path = (await begin(files())).headers.get('location') ?? '';
      const response = await alice.request(`/api${path}/export`);
      exported = await response.text();
      expect(exported.length).toBeGreaterThan(18 * MB);
      return response.status;
    },
  ],
  'an import of 14 MB of files': [
    200,
    async () => {
      const headers = { cookie: alice.cookie, 'content-type': 'application/json' };
      const response = await fetch(`${router.url}/api/conversations/import?backend=puppet`, {
        ...{ method: 'POST', headers, body: exported },
      });
      await response.bytes();
      return response.status;
    },
  ],
});
