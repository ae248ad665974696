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
  post,
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

/** Begins a picture, or is one, and nothing that a picture is. */
const PICTURES = [
  '![',
  `![${'!'.repeat(498)}`,
  '![](data:image/',
  '![](data:image/a;base64,A)',
  '](data:image/a;base64,',
];

/** A file of a conversation with this many messages, and this many files in its first ones. */
function conversationFile(messages: number, files: number): string {
  const attached = (at: number) => ({
    attachments: Array.from({ length: 50 }, (_, index) => ({ name: 'a.txt', data: btoa(`${at} ${index}`) })),
  });
  const said = Array.from({ length: messages }, (_, at) => ({
    ...{ role: 'user', content: 'Hi', created_at: at },
    ...(at * 50 < files && attached(at)),
  }));
  return JSON.stringify({ format: 'agent-stack.conversation', version: 1, messages: said });
}

async function imports(body: string): Promise<number> {
  const headers = { cookie: alice.cookie, 'content-type': 'application/json' };
  const response = await fetch(`${router.url}/api/conversations/import?backend=puppet`, {
    ...{ method: 'POST', headers, body },
  });
  await response.bytes();
  return response.status;
}

/** Texts that begin pictures again and again, and end none. */
const BEGINNINGS = ['![', '![](data:image/', `![](/api/attachments/${'a'.repeat(24)}`, `![${'!'.repeat(498)}`];
const begins = () => BEGINNINGS.map((one) => one.repeat(300_000 / one.length));

/** A client that stores both sides of a conversation itself. */
async function storesBoth(text: string): Promise<number> {
  const json = (body: object) => ({ method: 'POST', body });
  const made = await (await alice.request('/api/conversations', json({ backend: 'puppet' }))).json();
  const path = `/api/conversations/${(made as { conversation: { id: string } }).conversation.id}/messages`;
  const said = [text, `${text}.`].map((content) => ({ role: 'assistant', content }));
  const statuses: number[] = [];
  for (const body of [{ role: 'user', content: 'Hi' }, ...said]) {
    const response = await alice.request(path, json(body));
    await response.bytes();
    statuses.push(response.status);
  }
  return Math.max(...statuses);
}

/** A client of `/v1` that goes on with an answer. */
async function goesOn(text: string): Promise<number> {
  says({ role: 'assistant', content: text });
  const first = { role: 'user', content: `Draw ${text.length}` };
  expect(await chat({ ...STORED, messages: [first] })).toBe(200);
  const messages = [first, { role: 'assistant', content: text }, { role: 'user', content: 'And now' }];
  return post('/v1/chat/completions', JSON.stringify({ model: 'puppet', messages, store: true }));
}

async function worst(send: (text: string) => Promise<number>): Promise<number> {
  const statuses: number[] = [];
  for (const text of begins()) statuses.push(await send(text));
  return Math.max(...statuses);
}

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
  'an answer of 2 MB in one event that begins pictures in every way': [
    200,
    async () => {
      const statuses: number[] = [];
      for (const one of PICTURES) {
        const text = JSON.stringify(one.repeat((2 * MB) / one.length));
        statuses.push(await answers(delta(`"content":${text}`) + DONE, STORED));
      }
      return Math.max(...statuses);
    },
  ],
  'an answer with blanks behind a picture, one at a time': [
    200,
    () => {
      const blanks = delta(`"content":"${' '.repeat(3 * MB)}"`) + delta('"content":" "').repeat(300);
      return answers(delta('"content":"![a](data:image/png;base64,AAAA>"') + blanks + DONE, STORED);
    },
  ],
  'messages of a client that begin pictures again and again': [200, () => worst(storesBoth)],
  'a chat that goes on with answers that begin pictures again and again': [200, () => worst(goesOn)],
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
  'an import of 14 MB of files': [200, () => imports(exported)],
  'an import of 2,000 messages of 2,000 characters': [
    200,
    () => imports(conversationFile(2_000, 0).replaceAll('"Hi"', `"${'hi'.repeat(1_000)}"`)),
  ],
  'an import of 9,000 messages': [200, () => imports(conversationFile(9_000, 0))],
  'an import of 2,000 files': [200, () => imports(conversationFile(40, 2_000))],
});
