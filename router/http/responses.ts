/** The bodies of `/v1/responses` where the runner answers with those of chat. */
import { createParser } from 'eventsource-parser';
import type { AppError } from '../errors';
import { ResponseAnswer } from '../services/responses-answer';
import type { Asked } from '../services/responses-shape';

const utf8 = new TextEncoder();

/** Makes the answer to one request of another API out of the runner's. */
export interface Translation {
  /** The runner's body as the client is to read it. @param isStream whether it is server-sent events. */
  body(source: ReadableStream<Uint8Array> | null, isStream: boolean): ReadableStream<Uint8Array>;
  /** The events that end a stream before its time. */
  ending(error?: AppError): string;
}

export function responsesTranslation(asked: Asked): Translation {
  const answer = new ResponseAnswer(asked);
  return {
    body: (source, isStream) => (isStream ? events(answer, source) : whole(answer, source)),
    ending: (error) => answer.cut(error),
  };
}

/** Errors when the source ends without having said so. */
function events(answer: ResponseAnswer, source: ReadableStream<Uint8Array> | null): ReadableStream<Uint8Array> {
  const reader = (source ?? new Blob([]).stream()).getReader();
  const decoder = new TextDecoder();
  let made = answer.open();
  const parser = createParser({
    onEvent: ({ data }) => {
      made += answer.push(data);
    },
  });
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        while (made === '') {
          const { done, value } = await reader.read();
          if (!done) parser.feed(decoder.decode(value, { stream: true }));
          else if (answer.isEnded) return controller.close();
          else throw new Error('closed without [DONE]');
        }
        controller.enqueue(utf8.encode(made));
        made = '';
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function whole(answer: ResponseAnswer, source: ReadableStream<Uint8Array> | null): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const text = await new Response(source).text();
        controller.enqueue(utf8.encode(JSON.stringify(answer.whole(text))));
        controller.close();
      },
      cancel: (reason) => source?.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
