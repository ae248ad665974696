/** A heartbeat is one line between two events of the runner, in every kind of stream, and changes no event. */
import { expect, test } from 'bun:test';
import { createParser } from 'eventsource-parser';
import { Relay } from '../../router/relay/relay';
import { Source } from '../support/scripted-body';

const LATE_MS = 10_000;
const STREAMS = {
  'line feeds': 'data: {"a":1}\n\ndata: {"b":2}\n\ndata: [DONE]\n\n',
  'both line ends': 'data: {"a":1}\r\n\r\ndata: {"b":2}\r\n\r\ndata: [DONE]\r\n\r\n',
  'carriage returns only': 'data: {"a":1}\r\rdata: {"b":2}\r\rdata: [DONE]\r\r',
  'line ends of all kinds': 'data: {"a":1}\n\r\ndata: {"b":2}\r\n\ndata: {"c":3}\n\rdata: [DONE]\r\n\n',
  'ids and names': 'id: 1\nevent: chunk\ndata: {"a":1}\n\nid: 2\ndata: {"b":2}\n\nid:\ndata: [DONE]\n\n',
  'events of several lines': 'data: {"a":\ndata: 1}\nid: 7\n\ndata: {"b":\r\ndata: 2}\r\n\r\ndata: [DONE]\n\n',
  'comments and data with nothing':
    ': hello\n\n:\n\ndata:\n\ndata\n\nretry: 5\n\ndata: {"a":1}\n\n: bye\ndata: [DONE]\n\n',
  'no end of the last line': 'id: 1\ndata: {"a":1}\n\ndata: [DONE]',
};

/** The output of a relay that writes heartbeats between the pieces. */
async function relayed(pieces: readonly string[]): Promise<string> {
  const source = new Source();
  const relay = new Relay({
    ...{ events: true, expectDone: true, onClientGone: 'cancel', abort: new AbortController() },
    onEnd: () => undefined,
  });
  const text = new Response(relay.stream()).text();
  relay.attach(source);
  relay.beat(Date.now() + LATE_MS);
  for (const piece of pieces) {
    // The client reads each piece before the next one is written.
    await new Promise((resolve) => setImmediate(resolve));
    source.say(piece);
    await new Promise((resolve) => setImmediate(resolve));
    relay.beat(Date.now() + LATE_MS);
  }
  source.end();
  return text;
}

function eventsOf(text: string): readonly unknown[] {
  const events: unknown[] = [];
  const parser = createParser({ onEvent: ({ id, event, data }) => events.push([id, event, data]) });
  parser.feed(text);
  parser.feed('\n\n');
  return events;
}

/** Parses like OpenAI's Python client, for which every empty line after an id is an event. */
function eventsAfterIds(text: string): number {
  const lines = text.split(/\r\n|\n|\r/).slice(0, -1);
  let hasId = false;
  let hasData = false;
  let count = 0;
  for (const line of lines) {
    if (line.startsWith('id')) hasId = true;
    if (line.startsWith('data')) hasData = true;
    if (line !== '') continue;
    if (hasId || hasData) count += 1;
    hasData = false;
  }
  return count;
}

for (const [name, stream] of Object.entries(STREAMS)) {
  test(`heartbeats at every place of a stream change none of its events: ${name}`, async () => {
    for (let at = 0; at <= stream.length; at += 1) {
      const text = await relayed([stream.slice(0, at), stream.slice(at)].filter((piece) => piece !== ''));
      expect([at, text.startsWith(': keep-alive\n')]).toEqual([at, true]);
      expect([at, text.replaceAll(': keep-alive\n', '')]).toEqual([at, stream]);
      expect([at, eventsOf(text)]).toEqual([at, eventsOf(stream)]);
      expect([at, eventsAfterIds(text)]).toEqual([at, eventsAfterIds(stream)]);
    }
  });
}

test('a stream that is cut after an id is closed without an empty line more than its event needs', async () => {
  for (const cut of [
    'id: 1\ndata: {"a":1}\n',
    'id: 1\ndata: {"a":1}\r\n',
    'id: 1\ndata: {"a":1}\r',
    'id: 1\ndata: {"a":1}',
  ]) {
    const text = await relayed([cut]);
    const events = eventsOf(text);
    expect([cut, events.length, events[0]]).toEqual([cut, 3, ['1', undefined, '{"a":1}']]);
    expect([cut, eventsAfterIds(text)]).toEqual([cut, 3]);
  }
});
