/** A person's actions on the chat pages, over plain HTTP. */
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { Grown } from '../support/grown';
import type { Browser } from '../support/process';

interface ShownAnswer {
  readonly id: string;
  readonly status: string;
  /** The Markdown of an answer that has ended; undefined while it grows, and if it has no text. */
  readonly text: string | undefined;
  /** The whole element. */
  readonly html: string;
}

/** The id of the user's agent of this name. */
export async function agentOf(who: Browser, name: string): Promise<string> {
  const { agents } = (await (await who.request('/api/agents')).json()) as { agents: { id: string; name: string }[] };
  const agent = agents.find((one) => one.name === name);
  if (!agent) throw new Error(`There is no agent ${name}, but ${agents.map((one) => one.name).join(', ')}`);
  return agent.id;
}

/** Sends the first message of a new conversation with an agent, and returns the conversation's path. */
export async function startConversation(who: Browser, agentName: string, text: string): Promise<string> {
  const agentId = await agentOf(who, agentName);
  const body = new URLSearchParams({ text });
  const sent = await who.request(`/agents/${agentId}/conversations`, { method: 'POST', body });
  const path = sent.headers.get('location');
  if (path === null) throw new Error(`${agentName} took no message: ${sent.status} ${await sent.text()}`);
  return path;
}

export async function sendMessage(who: Browser, path: string, text: string): Promise<void> {
  const body = new URLSearchParams({ text });
  const sent = await who.request(`${path}/messages`, { method: 'POST', body });
  if (sent.status !== 303) throw new Error(`The message was not taken: ${sent.status} ${await sent.text()}`);
}

/** The newest answer on the page. */
export async function newestAnswer(who: Browser, conversation: string): Promise<ShownAnswer> {
  const page = await (await who.request(conversation)).text();
  const html = page.match(/<article id="message-\w+" class="message answer"[\s\S]*?<\/article>/g)?.at(-1) ?? '';
  const path = /data-copy-from="([^"]+)"/.exec(html)?.[1];
  const text = path === undefined ? undefined : await (await who.request(path)).text();
  return {
    id: /id="message-(\w+)"/.exec(html)?.[1] ?? '',
    status: /data-status="(\w+)"/.exec(html)?.[1] ?? '',
    text,
    html,
  };
}

/**
 * Opens the page's live stream and yields the text of the answer each time it grows. Ends with the stream.
 * @param opened called when the stream is there. What the answer had before is no growth.
 */
export async function* watchAnswer(who: Browser, path: string, opened?: () => void): AsyncGenerator<string> {
  const page = await (await who.request(path)).text();
  const url = /hx-sse:connect="([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&') ?? '';
  const stream = (await who.request(url)).body;
  if (!stream) return;
  opened?.();
  const events = stream.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  const grown = new Grown().apply({ data: page });
  for await (const event of events) {
    grown.apply(event);
    if (event.event === 'grow') yield grown.html.replace(/<[^>]*>/g, '').trim();
  }
}
