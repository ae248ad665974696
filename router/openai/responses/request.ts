/**
 * Translates a request to `/v1/responses` into a chat request, for backends that serve only chat. Members that chat
 * cannot express are refused by name; members that only ask for more detail in the answer are left out.
 * OpenAI's reference: https://platform.openai.com/docs/api-reference/responses/create
 */

import type { Backend } from '../../backends/backends';
import type { JsonBody } from '../../backends/shape';
import { invalid, record, unsupported } from './faults';
import { historyOf, openCalls, type ToldHistory } from './history';
import { inputOf } from './input';
import { toolOptions } from './tools';

/** Members with the same meaning in both APIs. */
const SAME = ['model', 'stream', 'temperature', 'top_p', 'user', 'service_tier'] as const;
const SAME_TOO = ['prompt_cache_key', 'safety_identifier'] as const;
/** Members that chat does not have. An empty value asks for nothing and is accepted. */
const REFUSED = ['background', 'prompt', 'context_management', 'moderation'] as const;

/**
 * Returns the chat request.
 * @param told Earlier messages, if the request continues a conversation.
 * @param backend.historyReasoning The member for thoughts that the client sends back; without one they are left out.
 * @throws `invalid_request` that names the member.
 */
export function chatOf(
  body: JsonBody,
  told: ToldHistory,
  { historyReasoning }: Pick<Backend, 'historyReasoning'>,
): JsonBody {
  for (const name of REFUSED) {
    const value = body[name];
    if (value && !(Array.isArray(value) && value.length === 0)) throw unsupported(name);
  }
  const same = Object.fromEntries(
    [...SAME, ...SAME_TOO].flatMap((name) => (body[name] == null ? [] : [[name, body[name]]])),
  );
  const { messages, outputs } = inputOf(body.input, openCalls(told.stored), historyReasoning);
  const history = historyOf(told, outputs);
  return {
    ...same,
    messages: [...instructionsOf(body.instructions), ...history, ...messages],
    ...(body.max_output_tokens != null && { max_completion_tokens: body.max_output_tokens }),
    ...toolOptions(body),
    ...textOptions(record(body.text)),
    ...logprobsOptions(body),
    ...(record(body.reasoning)?.effort != null && { reasoning_effort: record(body.reasoning)?.effort }),
    // A stream of `/v1/responses` always reports its usage at the end.
    ...(body.stream === true && { stream_options: { include_usage: true } }),
  };
}

function instructionsOf(instructions: unknown): JsonBody[] {
  if (instructions == null || instructions === '') return [];
  if (typeof instructions !== 'string') throw invalid('instructions', 'must be text.');
  return [{ role: 'system', content: instructions }];
}

/** Chat wants to be told that probabilities are asked for, and then of how many more tokens for each place. */
function logprobsOptions({ include, top_logprobs: more }: JsonBody): JsonBody {
  if (more) return { logprobs: true, top_logprobs: more };
  return Array.isArray(include) && include.includes('message.output_text.logprobs') ? { logprobs: true } : {};
}

function textOptions(text: JsonBody | undefined): JsonBody {
  const { type = 'text', ...schema } = record(text?.format) ?? {};
  const formats = new Map<unknown, JsonBody>([
    ['text', {}],
    ['json_object', { response_format: { type } }],
    ['json_schema', { response_format: { type, json_schema: schema } }],
  ]);
  const format = formats.get(type);
  if (!format) throw unsupported('text.format.type', type);
  return { ...format, ...(text?.verbosity != null && { verbosity: text.verbosity }) };
}
