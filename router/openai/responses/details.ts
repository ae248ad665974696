/** What an answer says beside its text: the sources of its words, and how probable its tokens were. */
import { thoughtText } from '../../backends/said';
import { isJsonObject, type JsonObject, stringOf } from '../../lib/json';

export interface Details {
  /** In the shape of `/v1/responses`. */
  readonly annotations: readonly JsonObject[];
  /** The same in both APIs. */
  readonly logprobs: readonly JsonObject[];
}

export const NO_DETAILS: Details = { annotations: [], logprobs: [] };

/** The details in a chat completion, or in one event of its stream. @param said its message or delta. */
export function detailsIn({ choices }: JsonObject, said: JsonObject): Details {
  const [choice] = Array.isArray(choices) ? choices : [];
  const logprobs = isJsonObject(choice) && isJsonObject(choice.logprobs) ? choice.logprobs.content : undefined;
  if (!Array.isArray(said.annotations) && !Array.isArray(logprobs)) return NO_DETAILS;
  return { annotations: objectsIn(said.annotations).map(annotationOf), logprobs: objectsIn(logprobs) };
}

export function joined(before: Details, more: Details): Details {
  if (before === NO_DETAILS) return more;
  if (more === NO_DETAILS) return before;
  return {
    annotations: [...before.annotations, ...more.annotations],
    logprobs: [...before.logprobs, ...more.logprobs],
  };
}

/** With the probabilities of the last tokens only, those of so many characters. */
export function lastTokens({ annotations, logprobs }: Details, length: number): Details {
  let first = logprobs.length;
  for (let missing = length; missing > 0 && first > 0; first -= 1)
    missing -= stringOf(logprobs[first - 1]?.token).length;
  return { annotations, logprobs: logprobs.slice(first) };
}

/** A chat has the members of an annotation in one that is named by its type. */
function annotationOf(annotation: JsonObject): JsonObject {
  const { type } = annotation;
  const members = typeof type === 'string' ? annotation[type] : undefined;
  return isJsonObject(members) ? { type, ...members } : annotation;
}

/** Whether a delta is a piece of a call or of a thought: then its tokens are not those of the text. */
export function isOfElse(said: JsonObject): boolean {
  const { content, tool_calls: calls, reasoning_content, reasoning } = said;
  // A token of half a character adds nothing yet to the thought either.
  const isEmptyThought = typeof content !== 'string' && [reasoning_content, reasoning].includes('');
  return (Array.isArray(calls) && calls.length > 0) || thoughtText(said) !== '' || isEmptyThought;
}

function objectsIn(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
