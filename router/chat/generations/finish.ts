/** Why a model has ended an answer, as the body of the answer says it, or an event of it. */
import { type Incomplete, incompleteOf } from '../../../backends/shared/finishes';
import { isJsonObject, type JsonObject } from '../../lib/json';

/** Returns the `finish_reason` of a chat, if there is one. */
export function finishIn({ choices }: JsonObject): unknown {
  const choice = Array.isArray(choices) ? choices[0] : undefined;
  return isJsonObject(choice) ? choice.finish_reason : undefined;
}

/**
 * Says why the answer is not whole: `null` if it is, `undefined` where the model has not ended. Reads chats, and responses of
 * `/v1/responses`.
 */
export function endIn(body: JsonObject): Incomplete | null | undefined {
  const { incomplete_details: details } = isJsonObject(body.response) ? body.response : body;
  const reason = isJsonObject(details) ? details.reason : finishIn(body);
  return typeof reason === 'string' && reason !== '' ? (incompleteOf(reason) ?? null) : undefined;
}
