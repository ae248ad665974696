// The gallery's streaming conversation: one listener, which gets a scripted answer for every message.
import type { VNode } from 'preact';
import * as fixtures from '../tests/views/fixtures';
import {
  LiveAnswerDelta,
  LiveAnswerEnd,
  LiveAnswerProgress,
  LiveComposerActions,
  LiveConversationLink,
  LiveMessageAppend,
  LiveRunner,
} from '../views/chat/live';
import { renderGrowing } from '../views/markdown';
import { renderPart } from '../views/render';

let send: (part: VNode) => void = () => {};
let stop: () => void = () => {};
let lastId = 100;

export function live(): Response {
  const body = new ReadableStream<string>({
    start(controller) {
      controller.enqueue(': open\n\n');
      send = (part) => {
        const lines = renderPart(part, { locale: 'en' }).split('\n');
        controller.enqueue(`id: ${lastId}\n${lines.map((line) => `data: ${line}`).join('\n')}\n\n`);
      };
    },
    cancel() {
      send = () => {};
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
    send(<LiveAnswerProgress message={{ ...message, progress: { percent, message: 'Pulling the image' } }} />);
    await Bun.sleep(250);
  }
  send(<LiveRunner runner={{ agentId: 'a1', state: 'running' }} />);
  let from = 0;
  let grown = '';
  for (let length = 12; length < fixtures.longAnswer.length && !stopped; length += 12) {
    grown = fixtures.longAnswer.slice(0, length);
    const { length: settledLength, settled, tail } = renderGrowing(grown.slice(from));
    send(<LiveAnswerDelta messageId={message.id} settled={settled} tail={tail} />);
    from += settledLength;
    await Bun.sleep(20);
  }
  const end = fixtures.message({
    ...message,
    text: stopped ? grown : fixtures.longAnswer,
    status: stopped ? 'stopped' : 'done',
  });
  send(<LiveAnswerEnd message={end} />);
  send(<LiveComposerActions />);
  send(<LiveConversationLink conversation={{ id: 'c1', title: `About: ${text}`, current: true, streaming: false }} />);
}
