/** Reads what is said in an answer: in the body of a chat or of `/v1/responses`, or in one event of its stream. */
import { isJsonObject, type JsonObject, stringOf } from '../lib/json';

/** The delta or the message of a chat's answer. */
export function saidIn({ choices }: JsonObject): JsonObject | undefined {
  const choice = Array.isArray(choices) ? choices[0] : undefined;
  if (!isJsonObject(choice)) return undefined;
  const { delta, message } = choice;
  return isJsonObject(delta) ? delta : isJsonObject(message) ? message : undefined;
}

/** The text of a chat's content, which some runtimes send as a list of parts. */
export function contentText(content: unknown): string {
  if (!Array.isArray(content)) return stringOf(content);
  return content.map((part) => (isJsonObject(part) && part.type === 'text' ? stringOf(part.text) : '')).join('');
}

/** What a model thinks, in a delta or a message of a chat. */
export function thoughtText({ reasoning_content: content, reasoning }: JsonObject): string {
  return stringOf(content) || stringOf(reasoning);
}

/** The words with which a model refuses, in a delta or a message of a chat: OpenAI's models send them in place of a text. */
export function refusalText({ refusal }: JsonObject): string {
  return stringOf(refusal);
}

/** The text of an item of a response, or the words with which the model refuses. */
export function outputText(item: { readonly content?: unknown } | null): string {
  const parts = Array.isArray(item?.content) ? item.content : [];
  return parts.filter(isJsonObject).map(partText).join('');
}

function partText(part: JsonObject): string {
  if (part.type === 'refusal') return refusalText(part);
  return part.type === 'output_text' ? stringOf(part.text) : '';
}
