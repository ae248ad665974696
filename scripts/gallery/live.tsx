/** The gallery's streaming conversation: one listener, which gets a scripted answer for every message. */
import type { VNode } from 'preact';
import * as fixtures from '../../tests/views/fixtures';
import {
  growthData,
  LiveComposerActions,
  LiveMessageAppend,
  LiveMessageAround,
  LiveMessageReplace,
} from '../../views/chat/live';
import { LiveConversationLink, LiveRunner } from '../../views/chat/sidebar/live';
import { changesBetween } from '../../views/growth';
import { renderGrowing } from '../../views/markdown';
import { noHtml } from '../../views/markup';
import { renderPart } from '../../views/render';

let write: (lines: string) => void = () => {};
const send = (part: VNode) => {
  const lines = renderPart(part, { locale: 'en' }).split('\n');
  write(lines.map((line) => `data: ${line}`).join('\n'));
};
let stop: () => void = () => {};
let lastId = 100;

export function live(): Response {
  const body = new ReadableStream<string>({
    start(controller) {
      controller.enqueue(': open\n\n');
      write = (lines) => controller.enqueue(`id: ${lastId}\n${lines}\n\n`);
    },
    cancel() {
      write = () => {};
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

export async function post(pathname: string, form: FormData): Promise<Response> {
  if (pathname.endsWith('/stop')) stop();
  if (pathname.endsWith('/messages')) void script(String(form.get('text')));
  return new Response(null, { status: 204 });
}

async function script(text: string): Promise<void> {
  let stopped = false;
  stop = () => {
    stopped = true;
  };
  send(<LiveMessageAppend message={fixtures.userMessage(`m${++lastId}`, text)} />);
  const message = fixtures.message({ id: `m${++lastId}`, text: '', status: 'streaming', createdAtMs: Date.now() });
  send(<LiveMessageAppend message={message} />);
  send(<LiveComposerActions streamingId={message.id} />);
  for (let percent = 0; percent <= 100 && !stopped; percent += 25) {
    send(<LiveRunner runner={{ agentId: 'a1', state: 'starting', percent, message: 'Pulling the image' }} />);
    send(<LiveMessageAround message={{ ...message, progress: { percent, message: 'Pulling the image' } }} />);
    await Bun.sleep(250);
  }
  send(<LiveRunner runner={{ agentId: 'a1', state: 'running' }} />);
  let grown = '';
  for (let length = 12; length < fixtures.longAnswer.length && !stopped; length += 12) {
    const before = grown === '' ? noHtml : renderGrowing(grown).html;
    grown = fixtures.longAnswer.slice(0, length);
    write(`event: grow\ndata: ${growthData(changesBetween(before, renderGrowing(grown).html))}`);
    await Bun.sleep(20);
  }
  const end = fixtures.message({
    ...message,
    text: stopped ? grown : fixtures.longAnswer,
    status: stopped ? 'stopped' : 'done',
  });
  send(<LiveMessageReplace message={end} />);
  send(<LiveComposerActions />);
  const state = { current: true, streaming: false, unread: false, shelf: 'list' as const };
  const link = { id: 'c1', agent: { id: 'a1', name: 'OpenClaw' }, atMs: Date.now(), ...state };
  send(<LiveConversationLink conversation={{ ...link, title: `About: ${text}` }} />);
}
