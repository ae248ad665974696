/** What an answer says beside its text: the sources of its words, and how probable its tokens were. */
import { isJsonObject, type JsonObject } from '../../lib/json';

export interface Details {
  /** In the shape of `/v1/responses`. */
  readonly annotations: readonly JsonObject[];
  /** The same in both APIs. */
  readonly logprobs: readonly JsonObject[];
}

const NONE: Details = { annotations: [], logprobs: [] };

/** The details in a chat completion, or in one event of its stream. @param said its message or delta. */
export function detailsIn({ choices }: JsonObject, said: JsonObject): Details {
  const [choice] = Array.isArray(choices) ? choices : [];
  const logprobs = isJsonObject(choice) && isJsonObject(choice.logprobs) ? choice.logprobs.content : undefined;
  if (!Array.isArray(said.annotations) && !Array.isArray(logprobs)) return NONE;
  return { annotations: objectsIn(said.annotations).map(annotationOf), logprobs: objectsIn(logprobs) };
}

/** A chat has the members of an annotation in one that is named by its type. */
function annotationOf(annotation: JsonObject): JsonObject {
  const { type } = annotation;
  const members = typeof type === 'string' ? annotation[type] : undefined;
  return isJsonObject(members) ? { type, ...members } : annotation;
}

/** Whether a delta is a piece of a call or of a thought: then its tokens are not those of the text. */
export function isOfElse({ tool_calls: calls, reasoning_content, reasoning }: JsonObject): boolean {
  return [calls, reasoning_content, reasoning].some(
    (said) => (Array.isArray(said) || typeof said === 'string') && said.length > 0,
  );
}

function objectsIn(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
