import { AgentPage } from '../agents/page';
import { Icon } from '../icons';
import { Hint } from '../kit/hint';
import type { AgentView, Shell } from '../models';
import { useNumbers } from '../numbers';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { RunnerFacts } from './facts';
import { LoadChart } from './load-chart';
import type { RunnerDetailsView } from './models';
import { RunnerBadge } from './runner';

interface RunnerPageProps {
  shell: Shell;
  agent: AgentView;
  details: RunnerDetailsView;
}

/** The runner of an agent: its state, its CPU and memory over the last hour, and its output, live. */
export function RunnerPage({ shell, agent, details }: RunnerPageProps) {
  return (
    <AgentPage shell={shell} agent={agent} tab="runner">
      <RunnerDetails agent={agent} details={details} />
    </AgentPage>
  );
}

/** Fetched again every three seconds. */
export function RunnerDetails({ agent, details }: Omit<RunnerPageProps, 'shell'>) {
  const t = useText();
  const n = useNumbers();
  const { facts, loads, nowMs, limits, log } = details;
  const path = `/agents/${agent.agentId}/runner`;
  const chart = { loads, nowMs };
  return (
    <div id="runner-details" class="stack" hx-get={path} hx-trigger="every 3s" hx-swap="outerMorph">
      <section class="card" aria-labelledby="runner-state">
        <div class="card-head">
          <h2 id="runner-state">{t.runner.title(agent.name)}</h2>
          <RunnerBadge runner={agent.runner} place="bar" />
        </div>
        <StateWords agent={agent} />
        <RunnerFacts facts={facts} />
        <RunnerActions agent={agent} />
      </section>
      <section class="card" aria-labelledby="runner-load">
        <h2 id="runner-load">{t.runner.load.title}</h2>
        <div class="loads">
          <LoadChart
            {...chart}
            label={t.runner.load.cpu}
            pick={({ cpuPercent }) => cpuPercent}
            top={20}
            format={(percent) => n.percent(percent / 100)}
          />
          <LoadChart
            {...chart}
            label={t.runner.load.memory}
            pick={({ memoryBytes }) => memoryBytes}
            top={limits.memoryBytes ?? 0}
            format={n.bytes}
          />
        </div>
        <p class="quiet">
          {t.runner.load.limits(
            limits.cpus === undefined ? undefined : n.count(limits.cpus),
            limits.memoryBytes === undefined ? undefined : n.bytes(limits.memoryBytes),
          )}
        </p>
      </section>
      <section class="card" aria-labelledby="runner-log-title">
        <h2 id="runner-log-title">{t.runner.log.title}</h2>
        {log === '' ? (
          <p class="quiet">{facts.upMs === undefined ? t.runner.log.asleep : t.runner.log.empty}</p>
        ) : (
          // biome-ignore lint/a11y/useSemanticElements: a fieldset is for fields
          // biome-ignore lint/a11y/noNoninteractiveTabindex: without it the box cannot be scrolled by keyboard
          <div id="runner-log" class="log" role="group" aria-labelledby="runner-log-title" tabIndex={0}>
            <pre>{log}</pre>
          </div>
        )}
      </section>
    </div>
  );
}

function StateWords({ agent: { runner } }: { agent: AgentView }) {
  const t = useText();
  const { state, message, hint, unavailable, isStale } = runner;
  const sentence = isStale && state === 'running' ? t.runner.staleSentence : t.runner.sentences[state];
  return (
    <>
      <p>{unavailable ? t.availability.title(unavailable.platform) : <Sentence of={message ?? sentence} />}</p>
      {hint && !unavailable && <Hint of={hint} />}
    </>
  );
}

/** What can be done with the runner now. */
function RunnerActions({ agent: { agentId, runner } }: { agent: AgentView }) {
  const t = useText().runner;
  const { state, unavailable } = runner;
  const path = `/agents/${agentId}/runner`;
  const isUp = state === 'running' || state === 'starting' || state === 'paused' || state === 'unknown';
  if (unavailable || state === 'stopping') return null;
  const actions = isUp
    ? ([
        ['refresh-cw', 'restart', `${path}/restart`],
        ['power', 'stop', `${path}/stop`],
      ] as const)
    : ([['play', 'start', path]] as const);
  return (
    <div class="row">
      {actions.map(([icon, word, action]) => (
        <form key={word} method="post" action={action}>
          <button type="submit" class="button">
            <Icon name={icon} />
            {t[word]}
          </button>
        </form>
      ))}
    </div>
  );
}
