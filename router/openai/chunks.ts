/** Builds events of a streamed chat that the router itself writes. */
import type { Share } from '../lib/allowance';
import type { AppError } from '../lib/errors';
import { newId } from '../lib/ids';
import { jsonObject } from '../lib/json';
import { type Body, bodyOf, readText } from '../net/body';
import { mapBody } from '../net/mapped-body';

/** A completion that is longer than this is cut off, and is then no valid JSON. */
const COMPLETION_BYTES_MAX = 16_777_216;
const utf8 = new TextEncoder();

/** An empty event, for a client that treats a stream without events as dead. */
export function emptyChunk(model: string): string {
  const created = Math.floor(Date.now() / 1000);
  const choices = [{ index: 0, delta: {}, finish_reason: null }];
  return event({ id: `chatcmpl-${newId()}`, object: 'chat.completion.chunk', created, model, choices });
}

/**
 * Turns a whole chat completion into the events of a stream; `undefined` if the body is no completion. Reads the body into
 * the share, which the caller ends. Throws the error with which the share refuses.
 */
export async function eventsOfCompletion(
  body: Body,
  { share, wantsUsage }: { readonly share: Share; readonly wantsUsage: boolean },
): Promise<Body | undefined> {
  const measure = share.measure();
  let length = 0;
  let refusal: AppError | undefined;
  const measured = mapBody(body, {
    chunk(bytes) {
      length += bytes.length;
      refusal = measure(length);
      if (refusal) throw refusal;
      return bytes;
    },
    end: () => new Uint8Array(),
  });
  const text = await readText(measured, COMPLETION_BYTES_MAX);
  if (refusal) throw refusal;
  const completion = jsonObject(text);
  if (!completion || !Array.isArray(completion.choices)) return undefined;
  const { choices, usage, object: _, ...base } = completion;
  const chunk = (more: object) => event({ ...base, object: 'chat.completion.chunk', ...more });
  const said = (choices as readonly Choice[]).map((choice, index) => {
    const { message, finish_reason, ...rest } = choice ?? {};
    return { index, ...rest, delta: { ...message, ...withIndexes(message) }, finish_reason: finish_reason ?? 'stop' };
  });
  const usageChunk = usage && wantsUsage ? chunk({ choices: [], usage }) : '';
  return bodyOf(utf8.encode(`${chunk({ choices: said })}${usageChunk}data: [DONE]\n\n`));
}

interface Choice {
  readonly message?: { readonly tool_calls?: unknown };
  readonly finish_reason?: unknown;
}

/** In a stream each call has an index. */
function withIndexes(message: Choice['message']): object {
  const calls = message?.tool_calls;
  if (!Array.isArray(calls)) return {};
  return { tool_calls: calls.map((call: object, index) => ({ index, ...call })) };
}

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
