/** `/admin/live`: what changes on one of the administrator's pages. */
import { Elysia, t } from 'elysia';
import {
  BACKEND_LIST_ID,
  BACKENDS_PROBLEM_ID,
  BackendList,
  BackendRow,
  BackendsProblem,
  backendRowId,
} from '../../../views/admin/backends';
import type { OverviewView } from '../../../views/admin/models';
import {
  OverviewAnswers,
  OverviewDisk,
  OverviewProblems,
  OverviewRunners,
  OverviewVersions,
} from '../../../views/admin/overview';
import {
  AdminRunnerGone,
  AdminRunnerHead,
  AdminRunnerList,
  AdminRunnerLog,
  AdminRunnerRow,
  RUNNER_HEAD_ID,
  RUNNER_LIST_ID,
  RUNNER_LOG_ID,
  RUNNER_LOG_TEXT_ID,
  runnerRowId,
} from '../../../views/admin/runners';
import { USER_LIST_ID, UserList, UserRow, userRowId } from '../../../views/admin/users';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { UsersService } from '../../accounts/users/users';
import { AppError } from '../../lib/errors';
import { runnerLog } from '../../runners/pages/present';
import { type BackendsDeps, backendViews } from '../backends/present';
import type { LogReads } from '../runners/log-reads';
import { type FleetDeps, runnersPage, runnerViews } from '../runners/present';
import { usersPage } from '../users/present';
import { type AdminLiveDeps, adminLive, type LivePage } from './stream';

/** How often a page is looked at without an event: CPU and memory, idle times and sizes change without one. */
const FIGURES_MS = 5_000;
/** The same for pages on which every change has an event. */
const HEARD_MS = 60_000;
const LOG_MS = 2_000;
const PULL_MS = 1_000;

type LiveRoutesDeps = AdminLiveDeps &
  FleetDeps &
  BackendsDeps & {
    readonly overview: () => Promise<OverviewView>;
    readonly logReads: LogReads;
    readonly users: Pick<UsersService, 'page' | 'passwordsOpen'>;
  };

const text = t.Optional(t.String({ maxLength: 300 }));
const on = t.Union(['overview', 'runners', 'runner', 'backends', 'users'].map((page) => t.Literal(page)));
const query = t.Object({ on, after: text, search: text, agent: text, links: text });

export function liveRoutes(deps: LiveRoutesDeps, session: SessionPlugin) {
  return new Elysia({ name: 'admin-live' }).use(session).get(
    '/admin/live',
    async ({ who, query: { on, after, search, agent, links }, headers, request, server }) => {
      // A page that comes back has got links by its stream.
      const reader = { request, server, who, linksMark: headers['last-event-id'] === undefined ? links : undefined };
      if (on === 'overview') return adminLive(deps, reader, overviewLive(deps));
      if (on === 'runners') return adminLive(deps, reader, runnersLive(deps, who, after ?? ''));
      if (on === 'backends') return adminLive(deps, reader, backendsLive(deps));
      if (on === 'users') return adminLive(deps, reader, usersLive(deps, who, search ?? '', after));
      const found = deps.runners.findRunning(agent ?? '');
      const [runner] = found ? await runnerViews(deps, who, [found]) : [];
      if (!runner) throw new AppError('not_found', { message: 'This agent has no runner now.' });
      await deps.logReads.followed({ who, request, server }, runner);
      return adminLive(deps, reader, runnerLive(deps, who, runner.agentId));
    },
    { admin: true, query },
  );
}

function overviewLive({ overview }: LiveRoutesDeps): LivePage {
  return {
    kinds: ['runner', 'platforms'],
    async look() {
      const view = await overview();
      const parts = [
        { id: 'overview-problems', view: <OverviewProblems overview={view} /> },
        { id: 'overview-runners', view: <OverviewRunners overview={view} /> },
        { id: 'overview-answers', view: <OverviewAnswers overview={view} /> },
        { id: 'overview-disk', view: <OverviewDisk overview={view} /> },
        { id: 'overview-versions', view: <OverviewVersions overview={view} /> },
      ];
      return { parts, againMs: FIGURES_MS };
    },
  };
}

function runnersLive(deps: LiveRoutesDeps, who: Who, after: string): LivePage {
  return {
    kinds: ['runner'],
    async look() {
      const { views } = await runnersPage(deps, who, after);
      const rows = views.map((runner) => ({ id: runnerRowId(runner), view: <AdminRunnerRow runner={runner} /> }));
      return {
        parts: [{ id: RUNNER_LIST_ID, view: <AdminRunnerList runners={views} />, rows }],
        againMs: FIGURES_MS,
      };
    },
  };
}

function runnerLive(deps: LiveRoutesDeps, who: Who, agentId: string): LivePage {
  return {
    kinds: ['runner'],
    agentId,
    async look() {
      const found = deps.runners.findRunning(agentId);
      const [runner] = found ? await runnerViews(deps, who, [found]) : [];
      if (!found || !runner) return { parts: [{ id: RUNNER_HEAD_ID, view: <AdminRunnerGone /> }], againMs: HEARD_MS };
      const log = await runnerLog(deps, found.agent);
      const parts = [
        { id: RUNNER_HEAD_ID, view: <AdminRunnerHead runner={runner} /> },
        { id: RUNNER_LOG_ID, view: <AdminRunnerLog log={log} />, text: { id: RUNNER_LOG_TEXT_ID, text: log } },
      ];
      return { parts, againMs: LOG_MS };
    },
  };
}

function backendsLive(deps: LiveRoutesDeps): LivePage {
  return {
    kinds: ['runner', 'platforms'],
    async look() {
      const views = backendViews(deps);
      const rows = views.map((backend) => ({ id: backendRowId(backend), view: <BackendRow backend={backend} /> }));
      const parts = [
        { id: BACKENDS_PROBLEM_ID, view: <BackendsProblem problem={deps.backends.problem} /> },
        { id: BACKEND_LIST_ID, view: <BackendList backends={views} />, rows },
      ];
      const isPulling = views.some(({ imageState }) => imageState?.state === 'pulling');
      return { parts, againMs: isPulling ? PULL_MS : FIGURES_MS };
    },
  };
}

function usersLive({ users }: LiveRoutesDeps, who: Who, search: string, after: string | undefined): LivePage {
  return {
    kinds: ['user'],
    async look() {
      // The user at whom this page begins may have been deleted: the page then stays unchanged.
      const found = await usersPage(users, who, search, after).catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'not_found') return undefined;
        throw error;
      });
      if (!found) return { parts: [], againMs: HEARD_MS };
      const { views } = found;
      const rows = views.map((user) => ({ id: userRowId(user), view: <UserRow user={user} /> }));
      return { parts: [{ id: USER_LIST_ID, view: <UserList users={views} />, rows }], againMs: HEARD_MS };
    },
  };
}
