/** The credential forms: on the settings page, and in place of an answer that failed because credentials are missing. */
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

/** A scope and any variables. A record, because the names of the variables are not known here. */
const fields = t.Record(t.String(), t.String(), { additionalProperties: false });

export function credentialsRoutes(context: Context, session: SessionPlugin) {
  const { credentials } = context;

  return new Elysia({ name: 'credentials' })
    .use(session)
    .post(
      '/settings/credentials',
      async ({ who, body, request }) => {
        const { scope = '', ...typed } = body;
        // An empty field removes its value, except for secrets: their field is always empty, and another form removes them.
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

/** Returns what the form shows after a refusal. Rethrows errors that are no refusal. */
function refusalOf(error: unknown, scope: string, values: Readonly<Record<string, string>>): Refused {
  if (!(error instanceof AppError) || error.status >= 500) throw error;
  const why = error.fields ? { fields: error.fields } : { error: error.message };
  return { typed: { scope, values, ...why }, status: error.status };
}

async function typedPage(context: Context, who: Who, request: Request, { typed, status }: Refused): Promise<Response> {
  const groups = await credentialGroups(context, who, typed);
  // An unknown scope has no form that could show the error, so the page shows it.
  const isShown = groups.some(({ scopes }) => scopes.some(({ scope, error }) => scope === typed.scope && error));
  const lost = typed.error !== undefined && !isShown && { flash: { kind: 'bad', message: typed.error } as const };
  return settingsPage(context, who, request, { credentials: groups, ...lost }, status);
}

/**
 * Tests the typed credentials without saving them. Answers htmx with the result, and other requests with the whole page
 * and the typed values.
 */
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

/** Saves the credentials that an answer lacked, and requests the answer again. */
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

/** Throws `invalid_fields` for variables that would still be missing. */
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
