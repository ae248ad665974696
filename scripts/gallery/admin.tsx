/** The gallery's pages of the administrator that are live, with long names and everything that can be wrong. */
import type { VNode } from 'preact';
import { shell } from '../../tests/views/fixtures';
import { AdminBackendsPage } from '../../views/admin/backends';
import { AdminLimitsPage } from '../../views/admin/limits';
import type { AdminBackendView, AdminRunnerView, OverviewView } from '../../views/admin/models';
import { AdminOverviewPage } from '../../views/admin/overview';
import { AdminRunnerPage, AdminRunnersPage } from '../../views/admin/runners';
import { AdminUserPage } from '../../views/admin/user';

const DAY_MS = 86_400_000;
const atMs = Date.UTC(2026, 7, 4, 12);
const longAddress = 'somebody.with.a.very.long.address@department.of.a.large.organisation.example.com';

const overview: OverviewView = {
  ...{ running: 998, starting: 12, queued: 41, failed: 3, cpuPercent: 1_482, memoryBytes: 412_316_860_416 },
  ...{ lastHour: { ended: 18_211, failed: 402 }, lastDay: { ended: 421_113, failed: 1_017 }, startedAtMs: atMs },
  ...{ freeBytes: 1_073_741_824, diskBytes: 1_099_511_627_776, databaseBytes: 5_368_709_120 },
  disk: { homesBytes: 644_245_094_400, dataBytes: 751_619_276_800, atMs, isWhole: false },
  versions: {
    ...{ router: '0.1.0', bun: '1.4.5', schema: '0018_a-migration-with-quite-a-long-name' },
    platforms: ['Docker Engine - Community 28.1.0'],
  },
  problems: [
    { platform: 'docker', message: 'The engine does not answer: connect ENOENT /a/path/that/is/long/docker.sock.' },
  ],
};

const awake: AdminRunnerView = {
  ...{ agentId: 'a1', name: 'Research', owner: 'ada@example.com', backend: 'OpenClaw', state: 'running' },
  ...{ upMs: 3 * DAY_MS, answers: 2, calls: 1, idleMs: 0, isStale: true, cpuPercent: 151, memoryBytes: 912_680_550 },
};
const runners: AdminRunnerView[] = [
  awake,
  {
    ...{ agentId: 'a2', name: 'An agent with a name that goes on and on until it no longer fits', owner: longAddress },
    ...{ backend: 'Hermes Agent', state: 'starting', message: 'Fetching nousresearch/hermes-agent:v2026.7.20' },
    ...{ answers: 1, calls: 0, idleMs: 0, isStale: false },
  },
  {
    ...{ agentId: 'a3', name: 'nanobot', owner: 'grace@example.com', backend: 'nanobot', state: 'failed' },
    ...{ message: 'The runner exited with code 3 while it was starting.', answers: 0, calls: 0, idleMs: 0 },
    isStale: false,
  },
];

const backend = (name: string, more: Partial<AdminBackendView>): AdminBackendView => ({
  ...{ name, displayName: name, driver: 'docker', isDisabled: false, canFetch: true, runners: 0, isForAll: true },
  image: `registry.of.a.large.organisation.example.com/agents/${name}:2026.9.6`,
  ...more,
});
const demo: AdminBackendView = {
  ...{ name: 'demo', displayName: 'Demo', driver: 'process', isDisabled: true, canFetch: false, runners: 0 },
  isForAll: true,
};
const backends: AdminBackendView[] = [
  backend('openclaw', { displayName: 'OpenClaw', imageState: { state: 'present' }, runners: 12 }),
  backend('pulling', {
    imageState: { state: 'pulling', percent: 42, message: 'Fetching agents: 3 of 9 layers, 412 MB' },
  }),
  backend('unknown-percent', { imageState: { state: 'pulling', message: 'Fetching agents' } }),
  backend('kept', { imageState: { state: 'ok' }, keptOld: 'The registry does not answer.', isForAll: false }),
  backend('absent', { imageState: { state: 'failed' }, problem: 'The image could not be fetched: not found.' }),
  demo,
];

const user = {
  ...{ id: 'u1', email: longAddress, name: 'A person with a name that goes on and on until it no longer fits' },
  ...{ createdAtMs: atMs, isAdmin: false, isYou: false, isDisabled: false, hasNoPassword: true, isLinked: false },
};
const deleted = { ...user, id: 'u2', isDisabled: true, purgeAtMs: atMs + 30 * DAY_MS };

export const adminPages: Record<string, () => VNode> = {
  'admin-overview': () => <AdminOverviewPage shell={shell()} overview={overview} liveUrl="/none" />,
  'admin-overview-first': () => {
    const { disk: _, ...unmeasured } = overview;
    const none = { ended: 0, failed: 0 };
    const first = { ...unmeasured, lastHour: none, lastDay: none, problems: [] };
    return <AdminOverviewPage shell={shell()} overview={first} liveUrl="/none" />;
  },
  'admin-runners': () => (
    <AdminRunnersPage shell={shell()} runners={runners} liveUrl="/none" moreHref="/more" firstHref="/first" />
  ),
  'admin-runners-none': () => <AdminRunnersPage shell={shell()} runners={[]} liveUrl="/none" />,
  'admin-runner': () => (
    <AdminRunnerPage
      shell={shell()}
      runner={awake}
      log={`${'a line of output '.repeat(20)}\n`.repeat(30)}
      liveUrl="/none"
    />
  ),
  'admin-backends': () => (
    <AdminBackendsPage
      shell={shell()}
      backends={backends}
      problem={'backends.json:12:5 openclaw: no_such_member is not a member'}
      liveUrl="/none"
      flash={{ kind: 'bad', message: 'The backend "demo" has no image: its runners start without one.' }}
    />
  ),
  'admin-user': () => <AdminUserPage shell={shell()} user={user} typedName={user.name} keptDays={30} />,
  'admin-user-deleted': () => <AdminUserPage shell={shell()} user={deleted} typedName={user.name} keptDays={30} />,
  'admin-limits': () => (
    <AdminLimitsPage
      shell={shell()}
      user={{ id: 'u1', name: user.name }}
      action="/none"
      form={{ values: { runners: '0' }, errors: { runners: 'A whole number from 1 to 1000' } }}
      usual={{ runners: { limit: 3, from: 'everybody' }, agents: { limit: Infinity, from: 'settings' } }}
      budget={{ href: '/none', unit: 'money', period: 'month', hardLimit: 20, softLimit: 15, isOfEverybody: true }}
      backends={[{ value: 'openclaw', label: 'OpenClaw' }]}
      isSaved={false}
    />
  ),
};
