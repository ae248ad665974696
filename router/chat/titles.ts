/** Titles by the model: after the first answer, one short question to the owner's own LLM names the conversation. */
import type { UsersStore } from '../accounts/users/store';
import type { AgentsStore } from '../agents/store';
import type { BackendRegistry } from '../backends/backends';
import { usesUpstream } from '../backends/traits';
import type { Ask } from '../broker/ask';
import type { CredentialsService } from '../credentials/credentials';
import type { Events } from '../lib/events';
import { generationsLog } from '../lib/log';
import { titleFrom } from './conversations';
import { withoutThought } from './generations/leading-thought';
import type { Conversation, ConversationsStore } from './store/conversations';

/** Characters of the first message, and of the answer, that are sent to the model. */
const TOLD_LENGTH = 2_000;
/** Characters of its answer that are read: a title in tags of a thought needs some more than a title. */
const READ_LENGTH_MAX = 4_000;
const TITLE_MS = 20_000;
/** Titles that are asked for at once; beyond it the first words stay. */
const AT_ONCE_MAX = 8;
const TASK =
  'Name this conversation in at most six words, in the language of the message. Answer with the name only: no quotes, no full stop.';

export function titlesService(deps: {
  ask: Ask;
  agents: AgentsStore;
  backends: BackendRegistry;
  conversations: ConversationsStore;
  credentials: CredentialsService;
  users: Pick<UsersStore, 'find'>;
  events: Events;
}) {
  const { ask, agents, backends, conversations, credentials, users, events } = deps;
  const closing = new AbortController();
  const asking = new Set<Promise<void>>();

  async function name({ id, userId, agentId }: Conversation): Promise<void> {
    if ((await users.find(userId))?.hasModelTitles !== true) return;
    const agent = await agents.find(agentId);
    const backend = agent && backends.find(agent.backend);
    if (!backend || !usesUpstream(backend) || backend.disabled) return;
    const [message, answer] = await conversations.page(id, { limit: 2 });
    if (message?.role !== 'user' || answer?.status !== 'done' || answer.content === '') return;
    // A conversation that begins with a file only has the file's name, and its owner may have renamed it meanwhile.
    const firstWords = titleFrom(message.content);
    if (firstWords === '' || (await conversations.find(id))?.title !== firstWords) return;
    // A title at somebody else's expense is nobody's wish.
    if ((await credentials.upstreamOf(agent, backend)).source === 'shared') return;
    const said = await ask({
      ...{ agent, backend, lengthMax: READ_LENGTH_MAX },
      messages: [
        { role: 'system', content: TASK },
        { role: 'user', content: `Message:\n${clip(message.content)}\n\nAnswer:\n${clip(answer.content)}` },
      ],
      signal: AbortSignal.any([closing.signal, AbortSignal.timeout(TITLE_MS)]),
    });
    const title = titleIn(said ?? '');
    if (title === '' || !(await conversations.retitle(id, firstWords, title))) return;
    events.publish(userId, { kind: 'conversation', conversationId: id });
  }

  return {
    /** Called when the first answer of a conversation has ended. A failure keeps the first words as the title. */
    nameSoon(conversation: Conversation): void {
      if (asking.size >= AT_ONCE_MAX || closing.signal.aborted) return;
      const named = name(conversation)
        .catch((error: unknown) => {
          generationsLog.debug({ conversation: conversation.id, err: error }, 'title.not_made');
        })
        .finally(() => asking.delete(named));
      asking.add(named);
    },

    /** Gives up what is asked. Resolves when it is counted. */
    async close(): Promise<void> {
      closing.abort();
      await Promise.all(asking);
    },
  };
}

function clip(text: string): string {
  return text.slice(0, TOLD_LENGTH);
}

/** What models put around a title. */
const AROUND = new Set(' \t\r"\'“”„«»*_#`.。');

/** The first line that a model has said, without what models put around a title. */
export function titleIn(said: string): string {
  const [line = ''] = withoutThought(said).trim().split('\n');
  const characters = [...line];
  const first = characters.findIndex((one) => !AROUND.has(one));
  const last = characters.findLastIndex((one) => !AROUND.has(one));
  return titleFrom(characters.slice(Math.max(first, 0), last + 1).join(''));
}
