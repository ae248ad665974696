/**
 * Splits the body of a model's answer into events, by the rules of server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html) and more tolerant than these.
 */
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { AgentError } from '../shared/openai';

/** Largest event, and largest answer in one piece: the router stores no longer answers. */
const CHARACTERS_MAX = 16 * 1024 * 1024;

export interface Said {
  /** Whether the event is the whole body, because the body is no event stream, whatever its content type says. */
  readonly isWhole: boolean;
  /** Name of the event, if it has one. */
  readonly event?: string | undefined;
  readonly data: string;
}

/**
 * Reads `body` to its end. The last event counts even without an empty line after it, as in OpenAI's own clients.
 * Throws an `AgentError` for an event, or a body in one piece, above the largest size.
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
      // No field of an event begins with these characters; an object, a list and an HTML page do.
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
