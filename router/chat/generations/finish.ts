/** Why a model has ended an answer, as the body of the answer says it, or an event of it. */
import { type Incomplete, incompleteOf } from '../../../backends/shared/finishes';
import { isJsonObject, type JsonObject } from '../../lib/json';

/** Returns the `finish_reason` of a chat, if there is one. */
export function finishIn({ choices }: JsonObject): unknown {
  const [choice] = Array.isArray(choices) ? choices : [];
  return isJsonObject(choice) ? choice.finish_reason : undefined;
}

/** Why the answer is not whole; `undefined` if nothing says so. Reads chats, and responses of `/v1/responses`. */
export function incompleteIn(body: JsonObject): Incomplete | undefined {
  const { incomplete_details: details } = isJsonObject(body.response) ? body.response : body;
  return incompleteOf(isJsonObject(details) ? details.reason : finishIn(body));
}
