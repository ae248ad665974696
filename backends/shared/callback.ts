/** Speaks to the agent's user without being asked. */
import { AgentError } from './openai';

/** An event as `docs/api.md` describes it. */
interface CallbackEvent {
  readonly role?: 'assistant' | 'notice';
  /** Markdown. */
  readonly content?: string;
  readonly kind?: string;
  /** By default the one that the agent answers in, or its newest. */
  readonly conversation_id?: string;
  readonly event_id?: string;
}

/** Throws an `AgentError` with the router's reason. @returns where the event went. */
export async function callBack(event: CallbackEvent): Promise<{ readonly conversation_id: string }> {
  const { AGENT_STACK_CALLBACK_URL: url, AGENT_STACK_AGENT_ID: id, AGENT_STACK_RUNNER_API_KEY: token } = process.env;
  if (!url) throw new AgentError(501, 'Only an agent that a router has started can speak without being asked.');
  const response = await fetch(`${url}/api/internal/agents/${id}/event`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(event),
  });
  const answer = (await response.json()) as { conversation_id: string; detail?: string };
  if (!response.ok) throw new AgentError(502, `The router took no event: ${answer.detail}`);
  return answer;
}
