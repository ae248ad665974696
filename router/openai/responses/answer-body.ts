/** Translates the body of the runner's chat answer to `/v1/responses`. */
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { tooLarge } from '../../chat/generations/answer-reader';
import type { Share } from '../../lib/allowance';
import { wholeLength } from '../../lib/text';
import { type Body, type KeptBytes, kept } from '../../net/body';
import { mapBody } from '../../net/mapped-body';
import type { OwnEnd } from '../../relay/relayed';
import { ResponseAnswer } from './answer';
import type { Requested } from './objects';

const utf8 = new TextEncoder();
const NOTHING = new Uint8Array();

/** Translates the runner's answer to one request of another API. */
export interface Translation extends OwnEnd {
  /** Returns the body for the client. @param isStream Whether it is server-sent events. */
  body(source: Body, isStream: boolean): Body;
  /** Events for a client that waits: first the opening ones, then one that says that the answer is in progress. */
  alive(): string;
}

/** Limits the memory for an answer that is kept until its end, because the last event repeats all of it. */
interface TranslationLimits {
  readonly maxBytes: number;
  /** The allowance from which a long answer takes its bytes. The owner disposes it. */
  readonly share: Share;
}

/** A longer body breaks off with `answer_too_large`. */
export function responsesTranslation(requested: Requested, limits: TranslationLimits): Translation {
  const answer = new ResponseAnswer(requested);
  return {
    body: (source, isStream) => (isStream ? events(answer, source, limits) : whole(answer, source, limits)),
    alive: () => answer.alive(),
    ending(error) {
      if (answer.size > TOLD_AGAIN_MAX) answer.drop();
      return answer.cut(error);
    },
    isWhole: () => answer.isEnded,
  };
}

/** A stream that is cut tells again what it has told, if that is not more: all of it is one piece of text. */
const TOLD_AGAIN_MAX = 1_048_576;
/** Characters of events that are passed on together. */
const PART_LENGTH = 65_536;
/** The last events of a stream repeat the text four times. */
const COPIES = 4;

/** @returns Function to call with the number of held bytes. It throws when that is too much. */
function holder({ maxBytes, share }: TranslationLimits, onTooMuch = () => {}) {
  const measure = share.measure(COPIES);
  return (bytes: number): void => {
    const refusal = bytes > maxBytes ? tooLarge(maxBytes) : measure(bytes);
    if (!refusal) return;
    onTooMuch();
    throw refusal;
  };
}

/** Breaks off when the source ends without its last event. */
function events(answer: ResponseAnswer, source: Body, limits: TranslationLimits): Body {
  // At its end an answer needs four times its size.
  const hold = holder(limits, () => answer.drop());
  const decoder = new TextDecoder();
  const came: EventSourceMessage[] = [];
  const parser = createParser({
    onEvent: (event) => void came.push(event),
    maxBufferSize: limits.maxBytes,
    onError: ({ type }) => {
      if (type === 'max-buffer-size-exceeded') hold(Number.POSITIVE_INFINITY);
    },
  });
  /** Translates the chat's events that have come. */
  function* made(): Generator<string> {
    yield answer.open();
    for (const { data, event } of came.splice(0)) {
      yield* answer.push(data, event);
      hold(answer.size);
    }
  }
  return mapBody(source, {
    chunk(bytes) {
      parser.feed(decoder.decode(bytes, { stream: true }));
      return encoded(made());
    },
    *end() {
      // The last event counts although no empty line follows it, as for OpenAI's own clients.
      parser.feed('\n\n');
      yield* encoded(made());
      if (!answer.isEnded) throw new Error('closed without [DONE]');
    },
  });
}

function whole(answer: ResponseAnswer, source: Body, limits: TranslationLimits): Body {
  const hold = holder(limits);
  const chunks: KeptBytes[] = [];
  let length = 0;
  return mapBody(source, {
    chunk(bytes) {
      chunks.push(kept(bytes));
      length += bytes.length;
      hold(length);
      return NOTHING;
    },
    end: () => encoded(answer.whole(Buffer.concat(chunks).toString())),
  });
}

/** Texts as bytes: many small ones together, and a long one in parts, so that other requests need not wait for all of it. */
function* encoded(texts: Iterable<string>): Generator<Uint8Array> {
  let text = '';
  for (const one of texts) {
    text += one;
    if (text.length < PART_LENGTH) continue;
    for (let at = 0, end: number; at < text.length; at = end) {
      const isLast = text.length - at <= PART_LENGTH;
      end = isLast ? text.length : wholeLength(text, at + PART_LENGTH);
      yield utf8.encode(text.slice(at, end));
    }
    text = '';
  }
  yield utf8.encode(text);
}
