/** The form in place of an answer that lacked credentials: tests them, or keeps them and asks again. */
import { Elysia } from 'elysia';
import { Message } from '../../../views/chat/message/message';
import { MissingTrial } from '../../../views/credentials/missing';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { Agent } from '../../agents/store';
import { groupOf, missingView, namesOfGroup, pick, refusedScope } from '../../credentials/present';
import { fields } from '../../credentials/routes';
import { type TrialDeps, triedForm } from '../../credentials/tried-form';
import { AppError } from '../../lib/errors';
import { isPartRequest, part } from '../../web/answers/respond';
import { aboutMessages, messageViews } from './present-messages';
import { conversationPage, doneIn } from './routes-conversation';
import type { VariantsRoutesDeps } from './variants-routes';

type ChatCredentialsDeps = VariantsRoutesDeps & TrialDeps;

export function chatCredentialsRoutes(deps: ChatCredentialsDeps, session: SessionPlugin) {
  return new Elysia({ name: 'chat-credentials' })
    .use(session)
    .post('/messages/:id/credentials', (submitted) => fillIn(deps, submitted), {
      session: true,
      audit: 'credentials.set',
      body: fields,
    })
    .post(
      '/messages/:id/credentials/share',
      // For all agents: the values of one are never shared.
      (submitted) =>
        fillIn(deps, { ...submitted, body: { ...submitted.body, scope: '' } }, () =>
          deps.credentials.share(namesOfGroup(deps, groupOf('LLM_API_KEY')), true),
        ),
      { admin: true, audit: 'credentials.shared', body: fields },
    )
    .post('/messages/:id/credentials/try', (submitted) => tryOut(deps, submitted), { session: true, body: fields });
}

/** The form in place of an answer, as it was sent. */
interface SubmittedForm {
  readonly who: Who;
  readonly request: Request;
  /** `id` is the answer's. */
  readonly params: { readonly id: string };
  readonly body: Readonly<Record<string, string>>;
}

/** The answer that lacks credentials, and whose it is. Throws `not_found` where it is another user's. */
async function findAnswer({ agents, conversations }: VariantsRoutesDeps, who: Who, messageId: string) {
  const { message, conversation } = await conversations.getMessage(who.user.id, messageId);
  return { message, conversation, agent: await agents.get(who.user.id, conversation.agentId) };
}

/** Tests what is typed. Answers htmx with the result, and other requests with the conversation and the typed values. */
async function tryOut(deps: ChatCredentialsDeps, { who, request, params, body }: SubmittedForm): Promise<Response> {
  const { message, conversation, agent } = await findAnswer(deps, who, params.id);
  const tried = await triedForm(deps, who, request, body);
  if (!isPartRequest(request)) return conversationPage(deps, who, conversation.id, tried);
  const missing = await missingView(deps, who, { agent, message, typed: tried.typed });
  // They were saved elsewhere meanwhile.
  if (!missing) throw new AppError('not_found', { message: 'This agent lacks no credentials any more.' });
  return part(who, <MissingTrial messageId={message.id} missing={missing} />, tried.status);
}

/** Keeps what an answer lacked and asks for it again. @param kept called when it is kept. */
async function fillIn(
  deps: VariantsRoutesDeps,
  { who, request, params, body }: SubmittedForm,
  kept = async () => {},
): Promise<Response> {
  const { message, conversation, agent } = await findAnswer(deps, who, params.id);
  const { scope = '', ...typed } = body;
  try {
    const values = pick(typed, (_, value) => value.trim() !== '');
    await requireFilled(deps, agent, values);
    await deps.credentials.set(who.user.id, scope, values);
    await kept();
    await deps.variants.retry(conversation, message);
  } catch (error) {
    const refused = refusedScope(error, scope, typed);
    if (!isPartRequest(request)) return conversationPage(deps, who, conversation.id, refused);
    const missing = await missingView(deps, who, { agent, message, typed: refused.typed });
    const about = { ...aboutMessages(who, agent, conversation), missing };
    const { messages } = await deps.conversations.shown(conversation.id, { before: message.position + 1, limit: 1 });
    const [view] = await messageViews(deps, who, { ...about, messages });
    if (!view) throw new AppError('not_found');
    return part(who, <Message message={view} />, refused.status);
  }
  return doneIn(conversation, request);
}

/** Throws `invalid_fields` for what would still be missing. */
async function requireFilled(
  deps: VariantsRoutesDeps,
  agent: Agent,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const backend = deps.backends.find(agent.backend);
  const missing = backend ? await deps.credentials.missing(agent, backend) : [];
  const empty = missing.map(({ name }) => name).filter((name) => !(name in values));
  if (empty.length === 0) return;
  throw new AppError('invalid_fields', { fields: Object.fromEntries(empty.map((name) => [name, 'Still missing'])) });
}
