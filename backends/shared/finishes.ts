/** Why a model has ended its answer, in OpenAI's words: servers that call themselves compatible have words of their own. */

/** Other servers' names (in lower case) for OpenAI's values of `finish_reason`. */
const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{ eos: 'stop', eos_token: 'stop', stop_sequence: 'stop', end_turn: 'stop', complete: 'stop', completed: 'stop' },
    ...{ max_tokens: 'length', max_output_tokens: 'length', tool_use: 'tool_calls', tool_call: 'tool_calls' },
    ...{ safety: 'content_filter', sensitive: 'content_filter' },
  }),
);

/** Why an answer that ended is not whole: it reached a limit of tokens, or a filter stopped it. */
export type Incomplete = 'length' | 'content_filter';

/** Returns OpenAI's name for the end of an answer. */
export function finishOf(reason: string): string {
  const word = reason.toLowerCase();
  return NAMES.get(word) ?? word;
}

/** Why an answer with this end is not whole; `undefined` if it is. @param reason of a chat, or of a response of `/v1/responses`. */
export function incompleteOf(reason: unknown): Incomplete | undefined {
  const finish = typeof reason === 'string' ? finishOf(reason) : '';
  return finish === 'length' || finish === 'content_filter' ? finish : undefined;
}
