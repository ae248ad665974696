/** Messages that people send, with files. Apart from the other routes of the chat, because these read their body themselves. */
import { Elysia } from 'elysia';
import { Composer } from '../../../views/chat/composer';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { Agent } from '../../agents/store';
import type { Config } from '../../config/config';
import type { Allowance } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import { refusalOf } from '../../web/answers/refused-form';
import { isPartRequest, part, seeOther } from '../../web/answers/respond';
import { type SentForm, withForm } from '../../web/bodies/form';
import type { Listener } from '../../web/patience';
import { textOf } from '../../web/reader';
import type { AttachmentsService, KeptFiles } from '../attachments/attachments';
import type { LiveDeps } from '../live/options';
import type { Conversation } from '../store/conversations';
import { attachLimits, composerView } from './present';
import { conversationPage, doneIn, newConversationPage } from './routes-conversation';

interface SendRoutesDeps extends LiveDeps {
  readonly attachments: AttachmentsService;
  readonly config: Pick<Config, 'maxBodyBytes'>;
  readonly held: Allowance;
}

export function sendRoutes(deps: SendRoutesDeps, session: SessionPlugin) {
  const { config, conversations, generations, held } = deps;
  const limitsFor = ({ user }: Who, listener: Listener) => {
    return { held, holder: user.id, maxBytes: config.maxBodyBytes, listener };
  };

  return new Elysia({ name: 'send' })
    .use(session)
    .post(
      '/agents/:id/conversations',
      async ({ who, params, request, server }) => {
        const agent = await deps.agents.get(who.user.id, params.id);
        return withForm(request, limitsFor(who, server), async (form) => {
          const [text = ''] = form.texts('text');
          const beginning = conversations.begin(agent);
          const { conversation } = beginning;
          try {
            using kept = await filesOf(deps, who, agent.backend, form);
            const { files } = kept;
            if (text.trim() === '' && files.length === 0) throw nothingSaid(who);
            await generations.start(conversation, text, { beginning, files });
          } catch (error) {
            return refusedBeginning(deps, { who, agent, request, typed: text, ...wordsOf(error) });
          }
          return seeOther(request, `/conversations/${conversation.id}`);
        });
      },
      { session: true, parse: 'none' },
    )
    .post(
      '/conversations/:id/messages',
      async ({ who, params, request, server }) => {
        const conversation = await conversations.get(who.user.id, params.id);
        const agent = await deps.agents.get(who.user.id, conversation.agentId);
        return withForm(request, limitsFor(who, server), async (form) => {
          const [text = ''] = form.texts('text');
          try {
            using kept = await filesOf(deps, who, agent.backend, form);
            await generations.start(conversation, text, { files: kept.files });
          } catch (error) {
            return refusedMessage(deps, { who, conversation, request, typed: text, ...wordsOf(error) });
          }
          return doneIn(conversation, request);
        });
      },
      { session: true, parse: 'none' },
    );
}

/** The files of a form, stored. Throws where one cannot be attached, or the backend takes none. */
async function filesOf(
  { attachments, backends }: SendRoutesDeps,
  { user }: Who,
  backend: string,
  form: SentForm,
): Promise<KeptFiles> {
  const files = await form.files('files');
  if (files.length > 0 && !backends.find(backend)?.attachments) {
    throw new AppError('invalid_request', { message: 'This agent takes no files.' });
  }
  return attachments.keep(user.id, files);
}

function nothingSaid(who: Who): AppError {
  return new AppError('invalid_fields', { fields: { text: textOf(who).composer.empty } });
}

function wordsOf(thrown: unknown): { readonly error: string; readonly status: number } {
  const { fields, message, status } = refusalOf(thrown);
  return { error: fields?.text ?? message, status };
}

/** The page where a conversation begins, or its composer, with what was typed and why it was not taken. */
async function refusedBeginning(
  deps: SendRoutesDeps,
  refused: { who: Who; agent: Agent; request: Request; typed: string; error: string; status: number },
): Promise<Response> {
  const { who, agent, request, typed, error, status } = refused;
  if (!isPartRequest(request)) return newConversationPage(deps, who, agent, { text: typed, error, status });
  const attach = attachLimits(deps, agent);
  const composer = composerView({ text: typed, error });
  return part(who, <Composer agentId={agent.id} agentName={agent.name} attach={attach} composer={composer} />, status);
}

/** The composer again with what was typed and why it was not taken. */
async function refusedMessage(
  deps: SendRoutesDeps,
  refused: { who: Who; conversation: Conversation; request: Request; typed: string; error: string; status: number },
): Promise<Response> {
  const { who, conversation, request, typed, error, status } = refused;
  const composer = { text: typed, error };
  if (!isPartRequest(request)) return conversationPage(deps, who, conversation.id, { composer, status });
  const agent = await deps.agents.get(who.user.id, conversation.agentId);
  const heads = await deps.conversations.heads(conversation.id, { limit: 1, ofTurns: true });
  const streamingId = heads.find((head) => head.status === 'streaming')?.id;
  return part(
    who,
    <Composer
      agentId={agent.id}
      agentName={agent.name}
      attach={attachLimits(deps, agent)}
      composer={composerView(composer)}
      conversationId={conversation.id}
      streamingId={streamingId}
    />,
    status,
  );
}
