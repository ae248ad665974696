import { Icon } from '../icons';
import { Confirm } from '../kit/confirm';
import { Hint } from '../kit/hint';
import { Notice } from '../kit/notice';
import type { Shell } from '../models';
import { useNumbers } from '../numbers';
import { useText } from '../render';
import { Sentence } from '../sentences';
import type { AdminRunnerView } from './models';
import { AdminPage } from './page';
import { PageLinks } from './page-links';

interface RunnersProps {
  shell: Shell;
  runners: readonly AdminRunnerView[];
  liveUrl: string;
  moreHref?: string;
  firstHref?: string;
}

/** The runners of all users. */
export function AdminRunnersPage({ shell, runners, liveUrl, moreHref, firstHref }: RunnersProps) {
  const t = useText();
  return (
    <AdminPage shell={shell} tab="runners" liveUrl={liveUrl}>
      <section class="card" aria-labelledby="runners-title">
        <h2 id="runners-title">{t.fleet.runners}</h2>
        <AdminRunnerList runners={runners} />
        <PageLinks firstHref={firstHref} first={t.fleet.first} moreHref={moreHref} more={t.fleet.more} />
      </section>
    </AdminPage>
  );
}

export const RUNNER_LIST_ID = 'runner-list';
export const runnerRowId = ({ agentId }: AdminRunnerView) => `awake-${agentId}`;

export function AdminRunnerList({ runners }: { runners: readonly AdminRunnerView[] }) {
  const t = useText();
  return (
    <div id={RUNNER_LIST_ID}>
      {runners.length === 0 ? (
        <p class="quiet">{t.fleet.none}</p>
      ) : (
        <ul class="rows">
          {runners.map((runner) => (
            <AdminRunnerRow key={runner.agentId} runner={runner} />
          ))}
        </ul>
      )}
    </div>
  );
}

export function AdminRunnerRow({ runner }: { runner: AdminRunnerView }) {
  const { agentId, owner, upMs, message, hint } = runner;
  return (
    <li id={runnerRowId(runner)}>
      <Icon name="activity" />
      <div class="grow">
        <p class="row-title">
          {upMs === undefined ? (
            <span class="ellipsis" dir="auto">
              {owner}
            </span>
          ) : (
            <a href={`/admin/runners/${agentId}`} class="ellipsis" dir="auto">
              {owner}
            </a>
          )}
          <StateBadge runner={runner} />
        </p>
        <Does runner={runner} />
        {message !== undefined && (
          <p class="quiet">
            <Sentence of={message} />
          </p>
        )}
        {hint !== undefined && <Hint of={hint} />}
      </div>
    </li>
  );
}

function StateBadge({ runner }: { runner: AdminRunnerView }) {
  const t = useText().runner;
  const { state, isStale } = runner;
  return (
    <span class="badge" data-state={state}>
      <span class="dot" aria-hidden="true" />
      {isStale && state === 'running' ? t.stale : t.states[state]}
    </span>
  );
}

/** The agent of a runner, how long it is up, what keeps it up, and its CPU and memory. */
function Does({ runner }: { runner: AdminRunnerView }) {
  const t = useText();
  const n = useNumbers();
  const { name, backend, upMs, answers, calls, idleMs, cpuPercent, memoryBytes } = runner;
  const told = [
    name === backend ? backend : `${name} (${backend})`,
    ...(upMs === undefined ? [] : [t.fleet.upFor(n.duration(upMs))]),
    ...(answers + calls > 0 ? [t.runner.facts.busy(answers, calls)] : []),
    ...(answers + calls === 0 && upMs !== undefined ? [t.fleet.idleFor(n.duration(idleMs))] : []),
    ...(cpuPercent === undefined ? [] : [`${t.fleet.cpu} ${n.percent(cpuPercent / 100)}`]),
    ...(memoryBytes === undefined ? [] : [n.bytes(memoryBytes)]),
  ];
  return (
    <p class="quiet" dir="auto">
      {told.join(' · ')}
    </p>
  );
}

interface RunnerProps {
  runner: AdminRunnerView;
  /** The end of its output. */
  log: string;
  liveUrl: string;
}

/** One runner, with its output as it comes. */
export function AdminRunnerPage({ shell, runner, log, liveUrl }: RunnerProps & { shell: Shell }) {
  const t = useText();
  return (
    <AdminPage shell={shell} tab="runners" liveUrl={liveUrl}>
      <p>
        <a href="/admin/runners">{t.fleet.all}</a>
      </p>
      <section class="card" aria-labelledby="runner-title">
        <AdminRunnerHead runner={runner} />
        <RunnerActions runner={runner} />
      </section>
      <section class="card" aria-labelledby="runner-log-title">
        <h2 id="runner-log-title">{t.runner.log.title}</h2>
        <AdminRunnerLog log={log} />
      </section>
    </AdminPage>
  );
}

export const RUNNER_HEAD_ID = 'runner-head';

export function AdminRunnerHead({ runner }: { runner: AdminRunnerView }) {
  return (
    <div id={RUNNER_HEAD_ID} class="runner-head">
      <h2 id="runner-title" class="row-title">
        <span class="verbatim" dir="auto">
          {runner.owner}
        </span>
        <StateBadge runner={runner} />
      </h2>
      <Does runner={runner} />
    </div>
  );
}

/** In the place of the head, when the runner has ended: its output stays to be read. */
export function AdminRunnerGone() {
  const t = useText().fleet;
  return (
    <div id={RUNNER_HEAD_ID} class="runner-head">
      <h2 id="runner-title">{t.gone}</h2>
      <Notice kind="info" role="status">
        {t.goneHelp}
      </Notice>
    </div>
  );
}

export const RUNNER_LOG_ID = 'runner-log';
/** The element that new output is put at the end of. */
export const RUNNER_LOG_TEXT_ID = 'runner-log-text';

export function AdminRunnerLog({ log }: { log: string }) {
  const t = useText().runner.log;
  if (log === '')
    return (
      <p id={RUNNER_LOG_ID} class="quiet">
        {t.empty}
      </p>
    );
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for fields
    // biome-ignore lint/a11y/noNoninteractiveTabindex: without it the box cannot be scrolled by keyboard
    <div id={RUNNER_LOG_ID} class="log" role="group" aria-labelledby="runner-log-title" tabIndex={0}>
      <pre id={RUNNER_LOG_TEXT_ID}>{log}</pre>
    </div>
  );
}

function RunnerActions({ runner }: { runner: AdminRunnerView }) {
  const t = useText();
  const action = `/admin/runners/${runner.agentId}`;
  const shared = { question: t.fleet.question(runner.owner), consequence: t.fleet.consequence, triggerClass: 'button' };
  return (
    <div class="row">
      <Confirm
        id="restart"
        {...shared}
        trigger={t.runner.restart}
        action={`${action}/restart`}
        label={t.runner.restart}
      />
      <Confirm id="stop" {...shared} trigger={t.runner.stop} action={`${action}/stop`} label={t.runner.stop} />
    </div>
  );
}
