/** The table of contents: what each listener serves. */
import { Elysia } from 'elysia';
import { callerPlugin, knownSender, sessionPlugin, type Who } from './accounts/identify';
import { keysRoutes } from './accounts/keys/routes';
import { invitationRoutes } from './accounts/links/invitation-routes';
import { resetRoutes } from './accounts/links/reset-routes';
import { oidcRoutes } from './accounts/oidc/routes';
import { ownRoutes } from './accounts/own-routes';
import type { CreatedKey } from './accounts/present-pages';
import { authRoutes } from './accounts/routes';
import { unknownRoutes } from './accounts/unknown-routes';
import { auditRoutes } from './admin/audit-routes';
import { backendsRoutes } from './admin/backends/routes';
import { liveRoutes } from './admin/live/routes';
import { overviewOf } from './admin/overview/present';
import { overviewRoutes } from './admin/overview/routes';
import { adminRunnersRoutes } from './admin/runners/routes';
import { settingsFromStart, startPage as startPageOf, startRoutes } from './admin/start/routes';
import { invitationsRoutes, type NewLink } from './admin/users/invitations-routes';
import { limitsRoutes } from './admin/users/limits-routes';
import { usersRoutes } from './admin/users/routes';
import { brokerRoutes } from './broker/routes';
import { agentsRoutes } from './chat/api/agents-routes';
import { conversationsRoutes } from './chat/api/routes';
import { attachmentsRoutes } from './chat/attachments/routes';
import { callbackRoutes } from './chat/callbacks/routes';
import { chatCredentialsRoutes } from './chat/pages/credentials-routes';
import { optionsRoutes } from './chat/pages/options-routes';
import { shellOf } from './chat/pages/present';
import { chatRoutes } from './chat/pages/routes';
import { sendRoutes } from './chat/pages/send-routes';
import { variantsRoutes } from './chat/pages/variants-routes';
import { searchRoutes } from './chat/search/routes';
import { transferRoutes } from './chat/transfer/routes';
import type { Config } from './config/config';
import type { Secrets } from './config/secrets';
import type { Context } from './context';
import { credentialsApiRoutes } from './credentials/api-routes';
import { credentialsRoutes } from './credentials/routes';
import { filesApiRoutes } from './files/api-routes';
import { filesPages, filesUpload } from './files/routes';
import { Once } from './lib/once';
import { metricsRoutes } from './metrics/routes';
import { openaiRoutes } from './openai/routes';
import { referenceRoutes } from './reference/routes';
import { runnersRoutes } from './runners/api/routes';
import { runnerPages } from './runners/pages/routes';
import { schedulesApiRoutes } from './schedules/api-routes';
import { schedulesRoutes } from './schedules/routes';
import { agentApiRoutes } from './settings/agent-api-routes';
import { agentPages } from './settings/agent-routes';
import { modelRoutes } from './settings/model-routes';
import { settingsPages, settingsRoutes } from './settings/routes';
import { budgetsRoutes } from './usage/budgets/routes';
import { pricesRoutes } from './usage/prices/routes';
import { usageRoutes } from './usage/reports/routes';
import { assets } from './web/answers/assets';
import { compression } from './web/answers/compress';
import { responding } from './web/answers/respond';
import { bodies } from './web/bodies/bodies';
import { cors } from './web/cors';
import { createGuard, type Guard } from './web/guard';
import { systemRoutes } from './web/health/routes';
import { methodsOf } from './web/methods';
import { IDLE_SECONDS } from './web/patience';
import { wrongPort } from './web/wrong-port';

/** Room above our own limit, so that the refusal is ours and says what to do. */
const SERVER_BODY_FACTOR = 4;

/** A port has one router: Elysia would let a second process take a share of its requests. */
function serveOptions({ maxBodyBytes }: Config) {
  return { maxRequestBodySize: maxBodyBytes * SERVER_BODY_FACTOR, idleTimeout: IDLE_SECONDS, reusePort: false };
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

/**
 * What the routes use: the parts of the context, and what only pages share. Everything is handed to all of them; the type of
 * what a route takes says what it uses.
 */
function partsOf(context: Context, origin: (request: Request) => string) {
  const { config, now } = context;
  const shell = (who: Who, agentId?: string) => shellOf(context, who, agentId === undefined ? {} : { agentId });
  const parts = {
    ...context,
    cookie: cookieOf(config),
    landing: context.start.landing,
    linkTo: (request: Request, path: string) => origin(request) + path,
    newKeys: new Once<CreatedKey>(now),
    newLinks: new Once<NewLink>(now),
    overview: overviewOf(context),
    passwordsOpen: context.accounts.passwordsOpen,
    shell,
  };
  return { ...parts, settings: settingsPages(parts), startPage: startPageOf(parts) };
}

/** People and programs: UI, `/auth`, `/api`, `/v1`. */
export async function publicApp(context: Context, secrets: Secrets) {
  const { accounts, clients, config, keys, listensAt } = context;
  const guard = guardOf(config);
  const nameOf = async (id: string) => (await accounts.namesOf([id]))[0]?.email ?? (await keys.findById(id))?.name;
  const app = new Elysia({ serve: serveOptions(config) });
  const serverOf = () => app.server;
  const senders = { ...context, nameOf, jwtSecret: secrets.jwtSecret, cookie: cookieOf(config), serverOf };
  const session = sessionPlugin(senders);
  const parts = partsOf(context, (request) => config.publicUrl ?? clients.origin(request, app.server));
  const { shell, startPage } = parts;
  // If the sidebar cannot be read either, the error page has none.
  const shellOfSender = async (request: Request) => {
    const who = knownSender(request);
    return who?.session && shell(who).catch(() => undefined);
  };
  // With port 0 only the kernel knows it.
  app.onStart(({ server }) => server?.port !== undefined && listensAt(server.port));
  return (
    app
      .use(responding(guard, config.maxBodyBytes, { draining: context.draining, shellFor: shellOfSender }))
      .use(cors(config.corsOrigins))
      .use(systemRoutes(parts))
      // Before all that has sessions: what a session needs is made for every route behind it.
      .use(openaiRoutes(parts, callerPlugin({ ...senders, guard }), serverOf))
      .use(filesApiRoutes(parts, session))
      .use(filesUpload(parts, session))
      // Before all that read a body in any other way than by themselves.
      .use(transferRoutes(parts, session))
      .use(attachmentsRoutes(parts, session))
      .use(sendRoutes(parts, session))
      .use(bodies({ ...parts, networkOf: (request) => clients.network(request, app.server), listenerOf: serverOf }))
      .use(runnersRoutes(parts, session))
      .use(credentialsApiRoutes(parts, session))
      .use(agentsRoutes(parts, session))
      .use(agentApiRoutes(parts, session))
      .use(conversationsRoutes(parts, session))
      .use(schedulesApiRoutes(parts, session))
      // Compresses the answers of the routes below, which are pages and their parts.
      .use(compression)
      .use(await assets())
      .use(referenceRoutes({ routes: () => app.routes, cookieName: config.session.cookieName }))
      .use(authRoutes(parts, session))
      .use(oidcRoutes(parts, session))
      .use(invitationRoutes(parts, session))
      .use(resetRoutes(parts, session))
      .use(chatRoutes(parts, session))
      .use(optionsRoutes(parts, session))
      .use(variantsRoutes(parts, session))
      .use(chatCredentialsRoutes(parts, session))
      .use(agentPages(parts, session))
      .use(modelRoutes(parts, session))
      .use(schedulesRoutes(parts, session))
      .use(filesPages(parts, session))
      .use(runnerPages(parts, session))
      .use(searchRoutes(parts, session))
      .use(settingsRoutes(parts, session))
      .use(ownRoutes(parts, session))
      .use(keysRoutes(parts, session))
      .use(invitationsRoutes(parts, session))
      .use(backendsRoutes(parts, session))
      .use(limitsRoutes(parts, session))
      .use(overviewRoutes(parts, session))
      .use(liveRoutes(parts, session))
      .use(adminRunnersRoutes(parts, session))
      .use(auditRoutes(parts, session))
      .use(startRoutes(parts, startPage, session))
      .use(usersRoutes(parts, session))
      .use(usageRoutes(parts, session))
      .use(pricesRoutes(parts, session))
      .use(budgetsRoutes(parts, session))
      .use(credentialsRoutes({ ...parts, settings: settingsFromStart(parts.settings, startPage) }, session))
      .use(
        unknownRoutes(
          session,
          methodsOf(() => app.routes),
        ),
      )
  );
}

/** Runners: the broker and callbacks. The operator's collector: metrics. Never reachable from the network. */
export function internalApp(context: Context) {
  const { config } = context;
  // No check of `Host`: runners reach the host under names that only their platform knows, and prove their key.
  const guard = { check: () => undefined };
  return new Elysia({ serve: serveOptions(config) })
    .use(responding(guard, config.maxBodyBytes))
    .use(systemRoutes(context))
    .use(metricsRoutes(context, guardOf(config)))
    .use(brokerRoutes(context))
    .use(callbackRoutes(context))
    .use(wrongPort(config));
}
