/** The table of contents: what each listener serves. */
import { Elysia } from 'elysia';
import { callerPlugin, sessionPlugin, type Who } from './accounts/identify';
import { keysRoutes } from './accounts/keys-routes';
import { authRoutes } from './accounts/routes';
import { brokerRoutes } from './broker/routes';
import { chatCredentialsRoutes } from './chat/credentials-routes';
import { shellOf } from './chat/present';
import { chatRoutes } from './chat/routes';
import type { Config, Secrets } from './config/config';
import type { Context } from './context';
import { credentialsApiRoutes } from './credentials/api-routes';
import { credentialsRoutes } from './credentials/routes';
import { metricsRoutes } from './metrics/routes';
import { openaiRoutes } from './openai/routes';
import { runnersRoutes } from './runners/routes';
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

/** People and programs: UI, `/auth`, `/api`, `/v1`. */
export async function publicApp(context: Context, secrets: Secrets) {
  const { config } = context;
  const guard = guardOf(config);
  const identities = {
    accounts: context.accounts,
    keys: context.keys,
    jwtSecret: secrets.jwtSecret,
    cookie: {
      name: config.session.cookieName,
      secure: config.session.cookieSecure,
      maxAgeSeconds: config.session.ttlSeconds,
    },
  };
  const session = sessionPlugin(identities);
  const shell = (who: Who) => shellOf(context, who, {});
  const settings = settingsPages({ ...context, shell });
  const pages = { ...context, shell, settings };
  const app = new Elysia({ serve: serveOptions(config) });
  // With port 0 only the kernel knows it.
  app.onStart(({ server }) => server?.port !== undefined && context.listensAt(server.port));
  return (
    app
      .use(responding(guard, config.maxBodyBytes))
      .use(cors(config.corsOrigins))
      .use(systemRoutes(context))
      // Before all that has sessions: what a session needs is made for every route behind it.
      .use(openaiRoutes(context, callerPlugin({ ...identities, guard }), () => app.server))
      // Before all that read a body in any other way than by themselves.
      .use(bodies(context.held, config.maxBodyBytes))
      .use(runnersRoutes(context, session))
      .use(credentialsApiRoutes(context, session))
      .use(
        new Elysia({ name: 'pages' })
          .use(compression)
          .use(await assets())
          .use(authRoutes(context, session))
          .use(chatRoutes(context, session))
          .use(chatCredentialsRoutes(context, session))
          .use(settingsRoutes(pages, session))
          .use(keysRoutes(pages, session))
          .use(usageRoutes(pages, session))
          .use(pricesRoutes(pages, session))
          .use(budgetsRoutes(pages, session))
          .use(credentialsRoutes(pages, session)),
      )
  );
}

/** Runners: the broker. The operator's collector: metrics. Never reachable from the network. */
export function internalApp(context: Context) {
  const { config } = context;
  // Runners reach the host under names that only their platform knows; their key is what they prove.
  const guard = { check: () => undefined };
  return new Elysia({ serve: serveOptions(config) })
    .use(responding(guard, config.maxBodyBytes))
    .use(systemRoutes(context))
    .use(metricsRoutes(context, guardOf(config)))
    .use(brokerRoutes(context));
}
