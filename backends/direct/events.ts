/** The body of a model's answer as the events in it, by the rules of server-sent events and a little more. */
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { AgentError } from '../shared/openai';

/** Of one event, and of an answer in one piece: as much as the router keeps of an answer. */
const CHARACTERS_MAX = 16 * 1024 * 1024;

export interface Said {
  /** Whether it is all of a body that is no stream of events, whatever its content type says. */
  readonly isWhole: boolean;
  /** The name of the event, where it has one. */
  readonly event?: string | undefined;
  readonly data: string;
}

/**
 * Reads `body` to its end. The last event counts although no empty line follows it, as for OpenAI's own clients.
 * Throws an `AgentError` where an event, or a body in one piece, is larger than anybody keeps.
 */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Said> {
  const decoder = new TextDecoder();
  const events: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => events.push(event), maxBufferSize: CHARACTERS_MAX });
  const taken = () => events.splice(0).map(({ event, data }) => ({ isWhole: false, event, data }));
  const feed = (text: string) => {
    try {
      parser.feed(text);
    } catch {
      throw tooLong();
    }
  };
  let beginning = '';
  let whole: string | undefined;
  let isStream = false;
  for await (const bytes of body) {
    let text = decoder.decode(bytes, { stream: true });
    if (!isStream && whole === undefined) {
      // No field of an event begins with these: an object, a list, a page.
      text = (beginning + text).trimStart();
      beginning = text;
      if (text === '') continue;
      isStream = !/^[[{<]/.test(text);
      if (!isStream) whole = '';
    }
    if (whole === undefined) {
      feed(text);
      yield* taken();
    } else if (whole.length + text.length > CHARACTERS_MAX) throw tooLong();
    else whole += text;
  }
  if (whole !== undefined) {
    yield { isWhole: true, data: whole };
    return;
  }
  feed('\n\n');
  yield* taken();
}

function tooLong(): AgentError {
  return new AgentError(502, `The model's answer is larger than ${CHARACTERS_MAX / 1024 / 1024} MB.`, {
    code: 'upstream_too_large',
  });
}
