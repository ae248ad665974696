/** The bodies of `/v1/responses` where the runner answers with those of chat. */
import { createParser } from 'eventsource-parser';
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
}

export function responsesTranslation(asked: Asked): Translation {
  const answer = new ResponseAnswer(asked);
  return {
    body: (source, isStream) => (isStream ? events(answer, source) : whole(answer, source)),
    alive: () => answer.alive(),
    ending: (error) => answer.cut(error),
  };
}

/** Breaks off when the source ends without having said so. */
function events(answer: ResponseAnswer, source: Body): Body {
  const decoder = new TextDecoder();
  let made = answer.open();
  const parser = createParser({
    onEvent: ({ data }) => {
      made += answer.push(data);
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
      return take();
    },
    end() {
      if (!answer.isEnded) throw new Error('closed without [DONE]');
      return take();
    },
  });
}

function whole(answer: ResponseAnswer, source: Body): Body {
  const chunks: Uint8Array[] = [];
  return mapBody(source, {
    chunk(bytes) {
      chunks.push(bytes);
      return NOTHING;
    },
    end: () => utf8.encode(JSON.stringify(answer.whole(Buffer.concat(chunks).toString()))),
  });
}
