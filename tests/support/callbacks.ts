/** Callbacks as a runner sends them, with the variables of its environment. */
import type { RunnerSpec } from '../../drivers/driver';

export interface Sent {
  readonly status: number;
  readonly body: {
    readonly message_id?: string | null;
    readonly conversation_id?: string;
    readonly created_at?: number;
    readonly detail?: string;
  };
  readonly headers: Headers;
}

/** How a test departs from what the runner's environment says. */
export interface Departing {
  readonly agentId?: string;
  /** Null: none. */
  readonly token?: string | null;
  readonly url?: string;
}

/** Sends an event of the runner with this spec. @param event an object is sent as JSON, a text as it is. */
export async function callBack(spec: RunnerSpec, event: object | string, departing: Departing = {}): Promise<Sent> {
  const { env } = spec;
  const { agentId = env.AGENT_STACK_AGENT_ID, token = env.AGENT_STACK_RUNNER_API_KEY } = departing;
  const url = departing.url ?? env.AGENT_STACK_CALLBACK_URL;
  const response = await fetch(`${url}/api/internal/agents/${agentId}/event`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token !== null && { authorization: `Bearer ${token}` }) },
    body: typeof event === 'string' ? event : JSON.stringify(event),
  });
  return { status: response.status, body: (await response.json()) as Sent['body'], headers: response.headers };
}
