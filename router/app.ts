/** The table of contents: what each listener serves. */
import { Elysia } from 'elysia';
import { callerPlugin, knownSender, sessionPlugin, type Who } from './accounts/identify';
import { invitationRoutes } from './accounts/invitation-routes';
import { keysRoutes } from './accounts/keys-routes';
import { oidcRoutes } from './accounts/oidc-routes';
import { ownRoutes } from './accounts/own-routes';
import type { CreatedKey, ShellOf } from './accounts/present-pages';
import { resetRoutes } from './accounts/reset-routes';
import { authRoutes } from './accounts/routes';
import { unknownRoutes } from './accounts/unknown-routes';
import { auditRoutes } from './admin/audit-routes';
import { backendsRoutes } from './admin/backends-routes';
import { invitationsRoutes, type NewLink } from './admin/invitations-routes';
import { limitsRoutes } from './admin/limits-routes';
import { liveRoutes } from './admin/live-routes';
import { overviewRoutes } from './admin/overview-routes';
import { overviewOf } from './admin/present-overview';
import { adminRunnersRoutes } from './admin/runners-routes';
import { settingsFromStart, startPage as startPageOf, startRoutes } from './admin/start-routes';
import { usersRoutes } from './admin/users-routes';
import { brokerRoutes } from './broker/routes';
import { agentsRoutes } from './chat/agents-routes';
import { conversationsRoutes } from './chat/api-routes';
import { attachmentsRoutes } from './chat/attachments-routes';
import { callbackRoutes } from './chat/callback-routes';
import { chatCredentialsRoutes } from './chat/credentials-routes';
import { optionsRoutes } from './chat/options-routes';
import { shellOf } from './chat/present';
import { chatRoutes } from './chat/routes';
import { searchRoutes } from './chat/search-routes';
import { sendRoutes } from './chat/send-routes';
import { transferRoutes } from './chat/transfer-routes';
import { variantsRoutes } from './chat/variants-routes';
import type { Config, Secrets } from './config/config';
import type { Context } from './context';
import { credentialsApiRoutes } from './credentials/api-routes';
import { credentialsRoutes } from './credentials/routes';
import { filesApiRoutes } from './files/api-routes';
import { filesPages, filesUpload } from './files/routes';
import { Once } from './lib/once';
import { metricsRoutes } from './metrics/routes';
import { openaiRoutes } from './openai/routes';
import { referenceRoutes } from './reference/routes';
import { runnerPages } from './runners/page-routes';
import { runnersRoutes } from './runners/routes';
import { schedulesApiRoutes } from './schedules/api-routes';
import { schedulesRoutes } from './schedules/routes';
import { agentApiRoutes } from './settings/agent-api-routes';
import { agentPages } from './settings/agent-routes';
import { modelRoutes } from './settings/model-routes';
import { settingsPages, settingsRoutes } from './settings/routes';
import { budgetsRoutes } from './usage/budgets-routes';
import { pricesRoutes } from './usage/prices-routes';
import { usageRoutes } from './usage/routes';
import { assets } from './web/assets';
import { bodies } from './web/bodies';
import { compression } from './web/compress';
import { cors } from './web/cors';
import { createGuard, type Guard } from './web/guard';
import { systemRoutes } from './web/health-routes';
import { responding } from './web/respond';
import { wrongPort } from './web/wrong-port';

/** Room above our own limit, so that the refusal is ours and says what to do. */
const SERVER_BODY_FACTOR = 4;

/** A port has one router: Elysia would let a second process take a share of its requests. */
function serveOptions({ maxBodyBytes }: Config) {
  return { maxRequestBodySize: maxBodyBytes * SERVER_BODY_FACTOR, reusePort: false };
}

function guardOf({ allowedHosts, publicUrl, corsOrigins }: Config): Guard {
  return createGuard({
    allowedHosts,
    ...(publicUrl !== undefined && { publicUrl }),
    ...(corsOrigins !== undefined && { corsOrigins }),
  });
}

function cookieOf({ session }: Config) {
  return { name: session.cookieName, secure: session.cookieSecure, maxAgeSeconds: session.ttlSeconds };
}

/** People and programs: UI, `/auth`, `/api`, `/v1`. */
export async function publicApp(context: Context, secrets: Secrets) {
  const { accounts, agents, attempts, audit, backends, budgets, clients, config, credentials, events, held, idle } =
    context;
  const { installationId } = context;
  const {
    identities,
    invitations,
    keys,
    listensAt,
    loads,
    now,
    oidc,
    prices,
    removal,
    runners,
    schedules,
    search,
    sessions,
    start,
    streams,
    transfer,
    upstreams,
    usage,
    users,
    variants,
  } = context;
  const guard = guardOf(config);
  const nameOf = async (id: string) => (await accounts.namesOf([id]))[0]?.email ?? (await keys.findById(id))?.name;
  const senders = { audit, clients, nameOf, sessions, keys, jwtSecret: secrets.jwtSecret, cookie: cookieOf(config) };
  const session = sessionPlugin(senders);
  const chat = chatParts(context);
  const shell = (who: Who, agentId?: string) => shellOf(chat, who, agentId === undefined ? {} : { agentId });
  const overview = overviewOf(overviewParts(context));
  const newKeys = new Once<CreatedKey>(now);
  const newLinks = new Once<NewLink>(now);
  const settings = settingsPages({ ...settingsParts(context), newKeys, shell });
  const startPage = startPageOf({ backends, credentials, newLinks, shell, start });
  const app = new Elysia({ serve: serveOptions(config) });
  // Where the sidebar cannot be read either, the error is said without it.
  const shellOfSender = async (request: Request) => {
    const who = knownSender(request);
    return who?.session && shell(who).catch(() => undefined);
  };
  const linkTo = (request: Request, path: string) => (config.publicUrl ?? clients.origin(request, app.server)) + path;
  // With port 0 only the kernel knows it.
  app.onStart(({ server }) => server?.port !== undefined && listensAt(server.port));
  return (
    app
      .use(responding(guard, config.maxBodyBytes, { draining: context.draining, shellFor: shellOfSender }))
      .use(cors(config.corsOrigins))
      .use(systemRoutes(healthParts(context)))
      // Before all that has sessions: what a session needs is made for every route behind it.
      .use(openaiRoutes(openaiParts(context), callerPlugin({ ...senders, guard }), () => app.server))
      .use(filesApiRoutes(filesParts(context), session))
      .use(filesUpload({ ...filesParts(context), shell }, session))
      // Before all that read a body in any other way than by themselves.
      .use(transferRoutes({ ...conversationsParts(context), ...chat, config, held, transfer }, session))
      .use(
        attachmentsRoutes(
          { attachments: context.attachments, config, conversations: context.conversations, held },
          session,
        ),
      )
      .use(sendRoutes({ ...chat, config, held }, session))
      .use(bodies(held, config.maxBodyBytes, clients))
      .use(runnersRoutes({ agents, backends, config, events, idle, installationId, runners, streams }, session))
      .use(credentialsApiRoutes({ backends, credentials }, session))
      .use(agentsRoutes({ ...agentPagesParts(context), installationId }, session))
      .use(agentApiRoutes({ ...agentPagesParts(context), loads, now }, session))
      .use(conversationsRoutes(conversationsParts(context), session))
      .use(schedulesApiRoutes({ agents, schedules }, session))
      // Of the routes behind it, which are pages and their parts.
      .use(compression)
      .use(await assets())
      .use(referenceRoutes({ routes: () => app.routes, cookieName: config.session.cookieName }))
      .use(authRoutes({ ...signInParts(context), landing: start.landing }, session))
      .use(oidcRoutes({ ...oidcParts(context), cookie: cookieOf(config), linkTo }, session))
      .use(invitationRoutes({ attempts, clients, invitations, oidc, passwordsOpen: accounts.passwordsOpen }, session))
      .use(resetRoutes({ attempts, clients, users }, session))
      .use(chatRoutes(chat, session))
      .use(optionsRoutes(chat, session))
      .use(variantsRoutes({ ...chat, variants }, session))
      .use(chatCredentialsRoutes({ ...chat, upstreams, variants }, session))
      .use(agentPages({ ...agentPagesParts(context), shell }, session))
      .use(modelRoutes({ agents, backends, credentials, runners, upstreams }, session))
      .use(schedulesRoutes({ agents, conversations: context.conversations, schedules, shell }, session))
      .use(filesPages({ ...filesParts(context), shell }, session))
      .use(runnerPages({ agents, backends, idle, loads, now, runners, shell }, session))
      .use(searchRoutes({ agents, search, shell }, session))
      .use(settingsRoutes({ backends, idle, settings }, session))
      .use(ownRoutes({ accounts, attempts, clients, removal, sessions, settings }, session))
      .use(keysRoutes({ accounts, agents, backends, keys, newKeys, settings, shell }, session))
      .use(invitationsRoutes({ invitations, linkTo, newLinks, now, shell, startPage }, session))
      .use(backendsRoutes(backendsParts(context, shell), session))
      .use(limitsRoutes({ backends, budgets, runners, shell, userLimits: context.userLimits, users }, session))
      .use(overviewRoutes({ overview, shell }, session))
      .use(liveRoutes({ ...adminLiveParts(context), overview }, session))
      .use(adminRunnersRoutes({ ...fleetParts(context), agents, shell }, session))
      .use(auditRoutes({ audit, shell, streams }, session))
      .use(startRoutes({ start }, startPage, session))
      .use(usersRoutes({ identities, linkTo, newLinks, removal, shell, users }, session))
      .use(usageRoutes({ budgets, keys, shell, streams, usage }, session))
      .use(pricesRoutes({ prices, shell }, session))
      .use(budgetsRoutes({ accounts, budgets, keys, shell, streams, usage }, session))
      .use(
        credentialsRoutes(
          { backends, credentials, settings: settingsFromStart(settings, startPage), upstreams },
          session,
        ),
      )
      .use(unknownRoutes(session))
  );
}

/** Runners: the broker and callbacks. The operator's collector: metrics. Never reachable from the network. */
export function internalApp(context: Context) {
  const { backends, backups, callbacks, config, drivers, generations, metrics, platforms, runners, streams } = context;
  // Runners reach the host under names that only their platform knows; their key is what they prove.
  const guard = { check: () => undefined };
  return new Elysia({ serve: serveOptions(config) })
    .use(responding(guard, config.maxBodyBytes))
    .use(systemRoutes(healthParts(context)))
    .use(
      metricsRoutes({ backends, backups, drivers, generations, metrics, platforms, runners, streams }, guardOf(config)),
    )
    .use(brokerRoutes(brokerParts(context)))
    .use(callbackRoutes({ callbacks, runners }))
    .use(wrongPort(config));
}

function settingsParts({
  accounts,
  agents,
  backends,
  config,
  credentials,
  idle,
  keys,
  oidc,
  sessions,
  vault,
}: Context) {
  return { accounts, agents, backends, config, credentials, idle, keys, oidc, sessions, vault };
}

function signInParts({ accounts, attempts, audit, clients, metrics, oidc, sessions }: Context) {
  return { accounts, attempts, audit, clients, metrics, oidc, sessions };
}

function oidcParts({ attempts, audit, clients, identities, metrics, now, oidc, vault }: Context) {
  return { attempts, audit, clients, identities, metrics, now, oidc, vault };
}

function healthParts({ backends, backups, config, database, draining, drivers, homes, images, platforms }: Context) {
  return { backends, backups, config, database, draining, drivers, homes, images, platforms };
}

function brokerParts(context: Context) {
  const { backends, config, held, hops, limits, metering, metrics, runners, streams, upstreams } = context;
  return { backends, config, held, hops, limits, metering, metrics, runners, streams, upstreams };
}

function backendsParts({ backends, images, platforms, runners, userLimits }: Context, shell: ShellOf) {
  return { backends, images, platforms, runners, userLimits, shell };
}

function fleetParts({ accounts, backends, installationId, loads, logReads, now, runners }: Context) {
  return { accounts, backends, installationId, loads, logReads, now, runners };
}

function overviewParts(context: Context) {
  const { config, database, diskUse, loads, metrics, platforms, runners, startedAtMs, steady } = context;
  return { config, database, diskUse, loads, metrics, platforms, runners, startedAtMs, steady };
}

function adminLiveParts(context: Context) {
  const { events, images, platforms, streams, userLimits, users } = context;
  return { ...fleetParts(context), events, images, platforms, streams, userLimits, users };
}

function chatParts(context: Context) {
  const {
    agents,
    answerUse,
    attachments,
    backends,
    budgets,
    conversations,
    credentials,
    drivers,
    events,
    generations,
  } = context;
  const { images, platforms, rendering, runners, streams, unread } = context;
  const live = { events, generations, rendering, runners, streams, unread };
  return {
    agents,
    answerUse,
    attachments,
    backends,
    budgets,
    conversations,
    credentials,
    drivers,
    images,
    platforms,
    ...live,
  };
}

function filesParts({ agents, backends, config, files, held, streams }: Context) {
  return { agents, backends, config, files, held, streams };
}

function agentPagesParts(context: Context) {
  const { agents, backends, config, conversations, credentials, generations, idle, own, runners } = context;
  return { agents, backends, config, conversations, credentials, generations, idle, own, runners };
}

function conversationsParts(context: Context) {
  const { agents, attachments, backends, conversations, events, generations, installationId } = context;
  const { now, posted, runners, streams } = context;
  return {
    agents,
    attachments,
    backends,
    conversations,
    events,
    generations,
    installationId,
    now,
    posted,
    runners,
    streams,
  };
}

function openaiParts(context: Context) {
  const { agents, attachments, backends, budgets, config, conversations, events, generations, held, hops } = context;
  const { idempotency, metrics, now, rateLimits, runners, startedAtMs, streams } = context;
  const answers = { conversations, events, generations, held, hops, idempotency, runners, streams };
  return { agents, attachments, backends, budgets, config, metrics, now, rateLimits, startedAtMs, ...answers };
}
