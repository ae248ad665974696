import { Icon } from '../icons';
import { Confirm } from '../kit/confirm';
import { Notice } from '../kit/notice';
import type { Shell } from '../models';
import { useNumbers } from '../numbers';
import { useText } from '../render';
import { Figure } from '../usage/figures';
import type { AdminRunnerView, FleetView } from './models';
import { AdminPage } from './page';

interface RunnersProps {
  fleet: FleetView;
  runners: AdminRunnerView[];
  /** Where this part is fetched again. */
  path: string;
  moreHref?: string;
  firstHref?: string;
}

/** The runners of all users, and what they run on. */
export function AdminRunnersPage({ shell, ...props }: RunnersProps & { shell: Shell }) {
  return (
    <AdminPage shell={shell} tab="runners">
      <AdminRunners {...props} />
    </AdminPage>
  );
}

/** Fetched again every five seconds. */
export function AdminRunners({ fleet, runners, path, moreHref, firstHref }: RunnersProps) {
  const t = useText();
  return (
    <div id="all-runners" class="stack" hx-get={path} hx-trigger="every 5s" hx-swap="outerMorph">
      <Fleet fleet={fleet} />
      <section class="card" aria-labelledby="runners-title">
        <h2 id="runners-title">{t.fleet.runners}</h2>
        {runners.length === 0 ? (
          <p class="quiet">{t.fleet.none}</p>
        ) : (
          <ul class="rows">
            {runners.map((runner) => (
              <RunnerRow key={runner.agentId} runner={runner} />
            ))}
          </ul>
        )}
        {(moreHref || firstHref) && (
          <p class="row">
            {firstHref && <a href={firstHref}>{t.fleet.first}</a>}
            {moreHref && <a href={moreHref}>{t.fleet.more}</a>}
          </p>
        )}
      </section>
    </div>
  );
}

function Fleet({ fleet }: { fleet: FleetView }) {
  const t = useText().fleet;
  const n = useNumbers();
  const figures = [
    [t.running, n.count(fleet.running)],
    [t.starting, n.count(fleet.starting)],
    [t.queued, n.count(fleet.queued)],
    [t.failed, n.count(fleet.failed)],
    [t.cpu, n.percent(fleet.cpuPercent / 100)],
    [t.memory, n.bytes(fleet.memoryBytes)],
    [t.disk, n.bytes(fleet.freeBytes), t.freeOf(n.bytes(fleet.diskBytes))],
    [t.database, n.bytes(fleet.databaseBytes)],
  ] satisfies [string, string, string?][];
  return (
    <section class="card" aria-labelledby="fleet-title">
      <h2 id="fleet-title">{t.title}</h2>
      <dl class="figures many">
        {figures.map(([name, value, help]) => (
          <Figure key={name} name={name} value={value} {...(help !== undefined && { help })} />
        ))}
      </dl>
      {fleet.problems.map(({ platform, message }) => (
        <Notice key={platform} kind="bad" role="status" id={`problem-${platform}`}>
          <p>
            <strong>{platform}</strong>: {message}
          </p>
        </Notice>
      ))}
      <p class="quiet">{fleet.versions}</p>
    </section>
  );
}

function RunnerRow({ runner }: { runner: AdminRunnerView }) {
  return (
    <li id={`runner-${runner.agentId}`}>
      <Icon name="activity" />
      <div class="grow">
        <p class="row-title">
          <a href={`/admin/runners/${runner.agentId}`} class="ellipsis" dir="auto">
            {runner.owner}
          </a>
          <StateBadge runner={runner} />
        </p>
        <Does runner={runner} />
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

/** What a runner is of, since when it is up, what holds it, and what it takes. */
function Does({ runner }: { runner: AdminRunnerView }) {
  const t = useText();
  const n = useNumbers();
  const { name, backend, upMs, answers, calls, idleMs, cpuPercent, memoryBytes } = runner;
  const told = [
    name === backend ? backend : `${name} (${backend})`,
    t.fleet.upFor(n.duration(upMs)),
    answers + calls > 0 ? t.runner.facts.busy(answers, calls) : t.fleet.idleFor(n.duration(idleMs)),
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
}

/** One runner, with its output as it comes. */
export function AdminRunnerPage({ shell, ...props }: RunnerProps & { shell: Shell }) {
  const t = useText().fleet;
  return (
    <AdminPage shell={shell} tab="runners">
      <p>
        <a href="/admin/runners">{t.all}</a>
      </p>
      <AdminRunnerDetails {...props} />
      <RunnerActions runner={props.runner} />
    </AdminPage>
  );
}

/** Fetched again every three seconds. */
export function AdminRunnerDetails({ runner, log }: RunnerProps) {
  const t = useText();
  const path = `/admin/runners/${runner.agentId}`;
  return (
    <div id="runner-details" class="stack" hx-get={path} hx-trigger="every 3s" hx-swap="outerMorph">
      <section class="card" aria-labelledby="runner-title">
        <h2 id="runner-title" class="row-title">
          <span class="verbatim" dir="auto">
            {runner.owner}
          </span>
          <StateBadge runner={runner} />
        </h2>
        <Does runner={runner} />
      </section>
      <section class="card" aria-labelledby="runner-log-title">
        <h2 id="runner-log-title">{t.runner.log.title}</h2>
        {log === '' ? (
          <p class="quiet">{t.runner.log.empty}</p>
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

/** Outside of what is fetched again, so that an open question stays open. */
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
