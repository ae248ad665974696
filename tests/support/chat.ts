/** What the tests of the chat do as a person does it in a browser. */
import type { Agent } from '../../router/agents/store';
import { form, type Person, type TestRouter, until } from './router';

/** The person's own agent of a backend. */
export async function agentOf(router: TestRouter, who: Person, backendName: string): Promise<Agent> {
  const backend = router.context.backends.find(backendName);
  if (!backend) throw new Error(`No backend ${backendName}`);
  return router.context.agents.defaultOf(who.id, backend);
}

/** Begins a conversation with a message, whose answer then begins. @returns the conversation's id. */
export async function beginConversation(
  router: TestRouter,
  who: Person,
  backendName: string,
  text: string,
): Promise<string> {
  const agent = await agentOf(router, who, backendName);
  const response = await who.request(`/agents/${agent.id}/conversations`, form({ text }));
  const id = response.headers.get('location')?.split('/').at(-1);
  if (response.status !== 303 || !id) throw new Error(`No conversation: ${response.status} ${await response.text()}`);
  return id;
}

/** Waits until every answer of a conversation is in the database, whole. */
export async function answersSaved(router: TestRouter, conversationId: string): Promise<void> {
  const messages = () => router.context.conversations.page(conversationId, { limit: 99 });
  await until(async () => (await messages()).every(({ status }) => status === 'done'), 'the answers are saved');
}
