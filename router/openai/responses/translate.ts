/** The bodies of `/v1/responses` where the runner answers with those of chat. */
import { createParser } from 'eventsource-parser';
import { tooLarge } from '../../chat/answer-reader';
import type { Share } from '../../lib/allowance';
import type { AppError } from '../../lib/errors';
import { type Body, mapBody } from '../../net/body';
import { ResponseAnswer } from './answer';
import type { Asked } from './objects';

const utf8 = new TextEncoder();
const NOTHING = new Uint8Array();

/** Makes the answer to one request of another API out of the runner's. */
export interface Translation {
  /** The runner's body as the client is to read it. @param isStream whether it is server-sent events. */
  body(source: Body, isStream: boolean): Body;
  /** Events for a client that waits: the first ones, then one that says that the answer is still being made. */
  alive(): string;
  /** The events that end a stream before its time. */
  ending(error?: AppError): string;
  /** Whether the last event of a stream is made. */
  isWhole(): boolean;
}

/** How much of an answer is kept until its end, which tells all of it once more. */
export interface TranslationLimits {
  readonly maxBytes: number;
  /** What a long answer is held of; its owner ends it. */
  readonly share: Share;
}

/** A body that is longer than may be breaks off with `answer_too_large`. */
export function responsesTranslation(asked: Asked, limits: TranslationLimits): Translation {
  const answer = new ResponseAnswer(asked);
  return {
    body: (source, isStream) => (isStream ? events(answer, source, limits) : whole(answer, source, limits)),
    alive: () => answer.alive(),
    ending: (error) => answer.cut(error),
    isWhole: () => answer.isEnded,
  };
}

/** What an answer of up to this size takes is not counted; of a longer one pieces of this size. */
const STEP_BYTES = 65_536;
/** The last events of a stream tell its text four times. */
const COPIES = 4;

/** @returns what is told how much is held, and throws where that is too much. */
function holder({ maxBytes, share }: TranslationLimits, onTooMuch = () => {}) {
  let heldBytes = STEP_BYTES;
  return (bytes: number): void => {
    let refusal = bytes > maxBytes ? tooLarge(maxBytes) : undefined;
    for (; !refusal && bytes > heldBytes; heldBytes += STEP_BYTES) refusal = share.grow(COPIES * STEP_BYTES);
    if (!refusal) return;
    onTooMuch();
    throw refusal;
  };
}

/** Breaks off when the source ends without having said so. */
function events(answer: ResponseAnswer, source: Body, limits: TranslationLimits): Body {
  // An answer that is too long would be four times as long at its end.
  const hold = holder(limits, () => answer.drop());
  const decoder = new TextDecoder();
  let made = answer.open();
  const parser = createParser({
    onEvent: ({ data, event }) => {
      made += answer.push(data, event);
    },
    maxBufferSize: limits.maxBytes,
    onError: ({ type }) => {
      if (type === 'max-buffer-size-exceeded') hold(Number.POSITIVE_INFINITY);
    },
  });
  const take = () => {
    const taken = utf8.encode(made);
    made = '';
    return taken;
  };
  return mapBody(source, {
    chunk(bytes) {
      parser.feed(decoder.decode(bytes, { stream: true }));
      hold(answer.size);
      return take();
    },
    end() {
      // The last event counts although no empty line follows it, as for OpenAI's own clients.
      parser.feed('\n\n');
      if (!answer.isEnded) throw new Error('closed without [DONE]');
      return take();
    },
  });
}

function whole(answer: ResponseAnswer, source: Body, limits: TranslationLimits): Body {
  const hold = holder(limits);
  const chunks: Uint8Array[] = [];
  let length = 0;
  return mapBody(source, {
    chunk(bytes) {
      chunks.push(bytes);
      length += bytes.length;
      hold(length);
      return NOTHING;
    },
    end: () => utf8.encode(JSON.stringify(answer.whole(Buffer.concat(chunks).toString()))),
  });
}
