/** Pages about an agent, with made-up data, for the gallery. */
import type { VNode } from 'preact';
import * as fixtures from '../../tests/views/fixtures';
import { AgentsPage } from '../../views/agents/list-page';
import { AgentSettingsPage } from '../../views/agents/settings-page';
import { FilePage, FolderPage } from '../../views/files/page';
import { RunnerPage } from '../../views/runners/page';

const NOW_MS = Date.parse('2026-11-22T10:00:00Z');
const LONG = 'a-name-that-somebody-has-given-without-a-thought-of-narrow-screens-'.repeat(2);
const agent = fixtures.agent({ current: true });
const facts = { agentId: agent.agentId, answers: 0, calls: 0, idleMs: 600_000, isStale: false };
/** An hour in which the runner slept for a while. */
const loads = Array.from({ length: 180 }, (_, at) => ({
  atMs: NOW_MS - (180 - at) * 20_000,
  cpuPercent: 30 + 25 * Math.sin(at / 9) + (at % 7) * 3,
  memoryBytes: 4e8 + at * 2e6,
})).filter((_, at) => at < 60 || at > 95);
const kinds = [
  { backend: 'demo', name: 'Demo', left: 2 },
  { backend: 'openclaw', name: 'OpenClaw', left: 0 },
];

export const agentPages: Record<string, () => VNode> = {
  runner: () => (
    <RunnerPage
      shell={fixtures.shell()}
      agent={{ ...agent, runner: { agentId: agent.agentId, state: 'running' } }}
      details={{
        facts: { ...facts, upMs: 5_400_000, answers: 2, calls: 1 },
        loads,
        nowMs: NOW_MS,
        limits: { memoryBytes: 2_147_483_648, cpus: 2 },
        log: `ready\n${LONG.repeat(4)}\ncalled [key]`,
      }}
    />
  ),
  'runner-asleep': () => (
    <RunnerPage
      shell={fixtures.shell()}
      agent={{ ...agent, runner: { agentId: agent.agentId, state: 'stopped' } }}
      details={{ facts, loads: [], nowMs: NOW_MS, limits: {}, log: '' }}
    />
  ),
  agents: () => (
    <AgentsPage
      shell={fixtures.shell()}
      kinds={kinds}
      form={{ values: {}, errors: { name: 'Give the agent a name.' } }}
    />
  ),
  'agent-settings': () => (
    <AgentSettingsPage
      shell={fixtures.shell()}
      agent={agent}
      settings={{
        name: agent.name,
        kind: 'OpenClaw',
        model: { own: '', inherited: `vendor/${LONG}` },
        idle: { own: 900, inherited: 600, max: 86_400 },
        limits: { memoryBytes: 2_147_483_648, cpus: 2, pids: 512, answerMs: 3_600_000 },
        instructions: { text: 'Answer first, explain after.\n', isOwn: true, file: 'workspace/AGENTS.md' },
        variables: [
          { name: 'TZ', isSecret: false, shown: 'Europe/Paris' },
          { name: 'BRAVE_API_KEY', isSecret: true, shown: '••••••••wxyz' },
        ],
        refused: { BRAVE_API_KEY: { values: {}, errors: { BRAVE_API_KEY: 'At most 4096 characters' } } },
      }}
      said={{ card: 'general', flash: { kind: 'good', message: 'Saved.' } }}
    />
  ),
  files: () => (
    <FolderPage
      shell={fixtures.shell()}
      agent={agent}
      folder={{
        path: ['work', LONG],
        entries: [
          { name: 'skills', kind: 'folder', bytes: 0, changedAtMs: NOW_MS },
          { name: `${LONG}.md`, kind: 'file', bytes: 123_456_789, changedAtMs: NOW_MS },
          { name: 'a-link', kind: 'other', bytes: 0, changedAtMs: NOW_MS },
        ],
        more: 19_002,
        uploadBytesMax: 20_971_520,
      }}
      flash={{ kind: 'bad', message: 'There is already something with the name "notes.md".' }}
    />
  ),
  file: () => (
    <FilePage
      shell={fixtures.shell()}
      agent={agent}
      file={{
        path: ['notes.md'],
        bytes: 300_000,
        changedAtMs: NOW_MS,
        text: `# Notes\n\n${LONG}\n`.repeat(20),
        isCut: true,
      }}
    />
  ),
};
