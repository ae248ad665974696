/** Credentials: the forms of the settings page, and the one in place of an answer that lacks them. */
import { Elysia, t } from 'elysia';
import { Message } from '../../views/chat/message';
import { TrialParts } from '../../views/credentials/credentials';
import type { SessionPlugin, Who } from '../accounts/identify';
import { messageViews } from '../chat/present';
import { conversationPage } from '../chat/routes';
import type { Context } from '../context';
import { AppError } from '../lib/errors';
import { backToSettings, settingsPage } from '../settings/routes';
import { done, isPartRequest, part } from '../web/respond';
import { credentialGroups, holdersOf, missingView, namesOfGroup, type Typed } from './present';
import { isSecret } from './values';

/** A scope and whatever variables there are: an object schema would refuse those it does not name. */
const fields = t.Record(t.String(), t.String(), { additionalProperties: false });

export function credentialsRoutes(context: Context, session: SessionPlugin) {
  const { credentials } = context;

  return new Elysia({ name: 'credentials' })
    .use(session)
    .post(
      '/settings/credentials',
      async ({ who, body, request }) => {
        const { scope = '', ...typed } = body;
        // An empty field takes its value away. Not a secret, whose field is always empty: that one has a form of its own.
        const values = pick(typed, (name, value) => value.trim() !== '' || !isSecret(name));
        try {
          await credentials.set(who.user.id, scope, values);
        } catch (error) {
          const refused = refusalOf(error, scope, typed);
          return typedPage(context, who, request, refused);
        }
        const isHeld = holdersOf(context, Object.keys(values)).length > 0;
        return backToSettings(request, isHeld ? 'variables' : 'credentials', 'credentials');
      },
      { session: true, body: fields },
    )
    .post('/settings/credentials/try', ({ who, body, request }) => tryConnection(context, who, request, body), {
      session: true,
      body: fields,
    })
    .post(
      '/settings/credentials/clear',
      async ({ who, body, request }) => {
        const names = body.group === undefined ? undefined : namesOfGroup(context, body.group);
        await credentials.clear(who.user.id, body.scope, names);
        return backToSettings(request, 'cleared', 'credentials');
      },
      { session: true, body: t.Object({ scope: t.String(), group: t.Optional(t.String()) }) },
    )
    .post(
      '/settings/credentials/share',
      async ({ body, request }) => {
        const names = namesOfGroup(context, body.group);
        await credentials.share(names, body.shared);
        const ended = holdersOf(context, names).length > 0 ? 'withdrawn' : 'unshared';
        return backToSettings(request, body.shared ? 'shared' : ended, 'credentials');
      },
      { admin: true, body: t.Object({ group: t.String(), shared: t.BooleanString() }) },
    )
    .post(
      '/messages/:id/credentials',
      ({ who, params, body, request }) => fillIn(context, who, request, params.id, body),
      {
        session: true,
        body: fields,
      },
    );
}

function pick(
  values: Readonly<Record<string, string>>,
  isWanted: (name: string, value: string) => boolean,
): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => isWanted(name, value)));
}

interface Refused {
  readonly typed: Typed;
  readonly status: number;
}

/** What a form that was not taken shows. Throws what is no refusal. */
function refusalOf(error: unknown, scope: string, values: Readonly<Record<string, string>>): Refused {
  if (!(error instanceof AppError) || error.status >= 500) throw error;
  const why = error.fields ? { fields: error.fields } : { error: error.message };
  return { typed: { scope, values, ...why }, status: error.status };
}

async function typedPage(context: Context, who: Who, request: Request, { typed, status }: Refused): Promise<Response> {
  const groups = await credentialGroups(context, who, typed);
  // A scope or a variable that is not there has no form to say so.
  const isShown = groups.some(({ scopes }) => scopes.some(({ scope, error }) => scope === typed.scope && error));
  const lost = typed.error !== undefined && !isShown && { flash: { kind: 'bad', message: typed.error } as const };
  return settingsPage(context, who, request, { credentials: groups, ...lost }, status);
}

/** Tries what was typed and saves nothing. For htmx, what came of it; without it, the page with what was typed. */
async function tryConnection(
  context: Context,
  who: Who,
  request: Request,
  body: Readonly<Record<string, string>>,
): Promise<Response> {
  const { scope = '', ...values } = body;
  const typed = { baseUrl: values.LLM_BASE_URL ?? '', apiKey: values.LLM_API_KEY ?? '' };
  const tried = await trialOf(context, who, request, scope, typed);
  const status = tried.error === undefined ? 200 : 422;
  const keyIsGone = !isPartRequest(request) && typed.apiKey !== '';
  const shown: Typed = { scope, values, trial: { ...tried, keyIsGone } };
  if (!isPartRequest(request)) return typedPage(context, who, request, { typed: shown, status });
  const groups = await credentialGroups(context, who, shown);
  const found = groups.flatMap((group) => group.scopes.map((one) => ({ group: group.group, scope: one })));
  const here = found.find((one) => one.scope.scope === scope && one.scope.trial);
  if (!here) throw new AppError('not_found', { message: `There is no scope "${scope}".` });
  return part(<TrialParts group={here.group} scope={here.scope} />, status);
}

async function trialOf(
  context: Context,
  who: Who,
  request: Request,
  scope: string,
  typed: { baseUrl: string; apiKey: string },
): Promise<{ models?: string[]; error?: string }> {
  try {
    const upstream = await context.credentials.upstreamToTry(who.user.id, scope, typed);
    return { models: [...(await context.upstreams.listModels(upstream, request.signal))] };
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'internal' || error.code === 'not_found') throw error;
    return { error: error.fields ? `${Object.values(error.fields).join('. ')}.` : error.message };
  }
}

/** Keeps what an answer lacked and asks for it again. */
async function fillIn(
  context: Context,
  who: Who,
  request: Request,
  messageId: string,
  body: Readonly<Record<string, string>>,
): Promise<Response> {
  const { message, conversation } = await context.conversations.getMessage(who.user.id, messageId);
  const agent = await context.agents.get(who.user.id, conversation.agentId);
  const { scope = '', ...typed } = body;
  try {
    const values = pick(typed, (_, value) => value.trim() !== '');
    await requireFilled(context, who, agent.backend, values);
    await context.credentials.set(who.user.id, scope, values);
    await context.generations.retry(conversation, message);
  } catch (error) {
    const refused = refusalOf(error, scope, typed);
    if (!isPartRequest(request)) return conversationPage(context, who, conversation.id, refused);
    const missing = await missingView(context, who, { agent, message, typed: refused.typed });
    const about = { agent, lastPosition: conversation.lastPosition, missing };
    const { messages } = await context.conversations.shown(conversation.id, { before: message.position + 1, limit: 1 });
    const [view] = await messageViews(context, who, { ...about, messages });
    if (!view) throw new AppError('not_found');
    return part(<Message message={view} />, refused.status);
  }
  return done(request, `/conversations/${conversation.id}`);
}

/** Throws `invalid_fields` for what would still be missing. */
async function requireFilled(
  context: Context,
  who: Who,
  backendName: string,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const backend = context.backends.find(backendName);
  const missing = backend ? await context.credentials.missing(who.user.id, backend) : [];
  const empty = missing.map(({ name }) => name).filter((name) => !(name in values));
  if (empty.length === 0) return;
  throw new AppError('invalid_fields', { fields: Object.fromEntries(empty.map((name) => [name, 'Still missing'])) });
}
