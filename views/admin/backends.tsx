import { Icon } from '../icons';
import { Notice } from '../kit/notice';
import type { Flash, Shell } from '../models';
import { useNumbers } from '../numbers';
import { useText } from '../render';
import { Sentence } from '../sentences';
import type { AdminBackendView } from './models';
import { AdminPage } from './page';

interface BackendsProps {
  shell: Shell;
  backends: readonly AdminBackendView[];
  /** What is wrong in `backends.json`, a line for each place; the entries below are those before the change. */
  problem?: string | undefined;
  liveUrl: string;
  flash?: Flash | undefined;
}

/** The entries of `backends.json`, and whether runners of each can start. */
export function AdminBackendsPage({ shell, backends, problem, liveUrl, flash }: BackendsProps) {
  const t = useText().backends;
  return (
    <AdminPage shell={shell} flash={flash} tab="backends" liveUrl={liveUrl}>
      <section id="backends" class="card" aria-labelledby="backends-title">
        <h2 id="backends-title">{t.title}</h2>
        <p class="quiet">{t.lead}</p>
        <BackendsProblem problem={problem} />
        <BackendList backends={backends} />
      </section>
      <p>
        <a href="/admin/limits">{t.whoMay}</a>
      </p>
    </AdminPage>
  );
}

export const BACKENDS_PROBLEM_ID = 'backends-problem';
export const BACKEND_LIST_ID = 'backend-list';
export const backendRowId = ({ name }: AdminBackendView) => `backend-${name}`;

export function BackendsProblem({ problem }: { problem: string | undefined }) {
  const t = useText().backends;
  return (
    <div id={BACKENDS_PROBLEM_ID} hidden={problem === undefined}>
      {problem !== undefined && (
        <Notice kind="bad" role="status">
          <p>
            <strong>{t.refused}</strong>
          </p>
          <pre class="verbatim">{problem}</pre>
        </Notice>
      )}
    </div>
  );
}

export function BackendList({ backends }: { backends: readonly AdminBackendView[] }) {
  return (
    <ul id={BACKEND_LIST_ID} class="rows">
      {backends.map((backend) => (
        <BackendRow key={backend.name} backend={backend} />
      ))}
    </ul>
  );
}

export function BackendRow({ backend }: { backend: AdminBackendView }) {
  const t = useText().backends;
  const n = useNumbers();
  const { name, displayName, driver, image, imageState, keptOld, problem, runners, isDisabled, isForAll } = backend;
  const told = [
    ...(displayName === name ? [] : [name]),
    t.on(driver),
    image ?? t.noImage,
    ...(imageState ? [t.images[imageState.state]] : backend.canFetch ? [t.images.unknown] : []),
    t.runners(n.count(runners)),
  ];
  return (
    <li id={backendRowId(backend)}>
      <Icon name={problem === undefined ? 'circle-check' : 'circle-alert'} />
      <div class="grow">
        <p class="row-title">
          <span dir="auto">{displayName}</span>
          {isDisabled && <span class="badge">{t.disabled}</span>}
          {!isForAll && <span class="badge">{t.limited}</span>}
        </p>
        <p class="quiet verbatim">{told.join(' · ')}</p>
        {imageState?.state === 'pulling' && <Pull of={displayName} {...imageState} />}
        {problem !== undefined && (
          <p class="field-error">
            <Sentence of={problem} />
          </p>
        )}
        {keptOld !== undefined && (
          <p class="field-error">
            {t.keptOld} <Sentence of={keptOld} />
          </p>
        )}
      </div>
      {backend.canFetch && imageState?.state !== 'pulling' && (
        <form method="post" action={`/admin/backends/${encodeURIComponent(name)}/pull`}>
          <button type="submit" class="button" aria-label={t.pullNamed(displayName)}>
            {t.pull}
          </button>
        </form>
      )}
    </li>
  );
}

function Pull({ of, message, percent }: { of: string; message?: string; percent?: number }) {
  const t = useText().backends;
  return (
    <>
      <progress max={100} value={percent} aria-label={t.pullOf(of)} />
      {message && (
        <p class="quiet verbatim">
          <Sentence of={message} />
        </p>
      )}
    </>
  );
}
