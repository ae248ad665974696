import { Notice } from '../kit/notice';
import { Time } from '../kit/time';
import type { Shell } from '../models';
import { useNumbers } from '../numbers';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { Figure } from '../usage/figures';
import type { AnswersView, OverviewView } from './models';
import { AdminPage } from './page';

/** The overview: runners and their load, failures, disk, versions. */
export function AdminOverviewPage({
  shell,
  overview,
  liveUrl,
}: {
  shell: Shell;
  overview: OverviewView;
  liveUrl: string;
}) {
  const t = useText();
  return (
    <AdminPage shell={shell} tab="overview" liveUrl={liveUrl}>
      <OverviewProblems overview={overview} />
      <OverviewRunners overview={overview} />
      <OverviewAnswers overview={overview} />
      <OverviewDisk overview={overview} />
      <OverviewVersions overview={overview} />
      <p>
        <a href="/admin/start">{t.start.title}</a>
      </p>
    </AdminPage>
  );
}

interface PartProps {
  overview: OverviewView;
}

/** Platforms that do not answer. */
export function OverviewProblems({ overview: { problems } }: PartProps) {
  return (
    <div id="overview-problems" class="stack" hidden={problems.length === 0}>
      {problems.map(({ platform, message }) => (
        <Notice key={platform} kind="bad" role="status" id={`problem-${platform}`}>
          <p>
            <strong>{platform}</strong>: <Sentence of={message} />
          </p>
        </Notice>
      ))}
    </div>
  );
}

type Shown = readonly [name: string, value: string, help?: string | undefined];

function Figures({ of }: { of: readonly Shown[] }) {
  return (
    <dl class="figures many">
      {of.map(([name, value, help]) => (
        <Figure key={name} name={name} value={value} {...(help !== undefined && { help })} />
      ))}
    </dl>
  );
}

export function OverviewRunners({ overview }: PartProps) {
  const t = useText().overview;
  const n = useNumbers();
  return (
    <section id="overview-runners" class="card" aria-labelledby="overview-runners-title">
      <h2 id="overview-runners-title">
        <a href="/admin/runners">{t.runners}</a>
      </h2>
      <Figures
        of={[
          [t.running, n.count(overview.running)],
          [t.starting, n.count(overview.starting)],
          [t.queued, n.count(overview.queued)],
          [t.failed, n.count(overview.failed)],
          [t.cpu, n.percent(overview.cpuPercent / 100)],
          [t.memory, n.bytes(overview.memoryBytes)],
        ]}
      />
    </section>
  );
}

export function OverviewAnswers({ overview: { lastHour, lastDay, startedAtMs } }: PartProps) {
  const t = useText().overview;
  const n = useNumbers();
  const shown = (name: string, { ended, failed }: AnswersView): Shown => {
    const share = ended === 0 ? 0 : failed / ended;
    return [name, ended === 0 ? '–' : n.rate(share), t.failedOf(n.count(failed), n.count(ended))];
  };
  return (
    <section id="overview-answers" class="card" aria-labelledby="overview-answers-title">
      <h2 id="overview-answers-title">{t.answers}</h2>
      <Figures of={[shown(t.lastHour, lastHour), shown(t.lastDay, lastDay)]} />
      <p class="quiet">
        {t.countedSince} <Time ms={startedAtMs} />
      </p>
    </section>
  );
}

export function OverviewDisk({ overview: { freeBytes, diskBytes, databaseBytes, disk } }: PartProps) {
  const t = useText().overview;
  const n = useNumbers();
  const least = (bytes: number) => (disk?.isWhole === false ? t.atLeast(n.bytes(bytes)) : n.bytes(bytes));
  return (
    <section id="overview-disk" class="card" aria-labelledby="overview-disk-title">
      <h2 id="overview-disk-title">{t.disk}</h2>
      <Figures
        of={[
          [t.free, n.bytes(freeBytes), t.freeOf(n.bytes(diskBytes))],
          [t.database, n.bytes(databaseBytes)],
          ...(disk
            ? [[t.homes, least(disk.homesBytes)] as const, [t.data, least(disk.dataBytes), t.dataHelp] as const]
            : []),
        ]}
      />
      <p class="quiet">
        {disk ? (
          <>
            {t.measuredAt} <Time ms={disk.atMs} />
          </>
        ) : (
          t.measuring
        )}
      </p>
    </section>
  );
}

export function OverviewVersions({ overview: { versions } }: PartProps) {
  const t = useText().overview;
  const { router, bun, schema, platforms } = versions;
  const shown = [
    ['agent-stack', router],
    ['Bun', bun],
    [t.schema, schema],
    [t.platforms, platforms.length === 0 ? t.noPlatforms : platforms.join(', ')],
  ] as const;
  return (
    <section id="overview-versions" class="card" aria-labelledby="overview-versions-title">
      <h2 id="overview-versions-title">{t.versions}</h2>
      <dl class="runner-facts wide">
        {shown.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class="verbatim">{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
