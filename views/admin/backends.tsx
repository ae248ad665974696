import { Icon } from '../icons';
import { Notice } from '../kit/notice';
import type { Shell } from '../models';
import { useNumbers } from '../numbers';
import { useText } from '../render';
import type { AdminBackendView } from './models';
import { AdminPage } from './page';

interface BackendsProps {
  shell: Shell;
  backends: AdminBackendView[];
  /** What is wrong in `backends.json`, a line for each place; the entries below are those before the change. */
  problem?: string | undefined;
}

/** The entries of `backends.json`, and whether runners of each can start. */
export function AdminBackendsPage({ shell, backends, problem }: BackendsProps) {
  const t = useText().backends;
  return (
    <AdminPage shell={shell} tab="backends">
      <section id="backends" class="card" aria-labelledby="backends-title">
        <h2 id="backends-title">{t.title}</h2>
        <p class="quiet">{t.lead}</p>
        {problem !== undefined && (
          <Notice kind="bad" role="status" id="backends-problem">
            <p>
              <strong>{t.refused}</strong>
            </p>
            <pre class="verbatim">{problem}</pre>
          </Notice>
        )}
        <ul class="rows">
          {backends.map((backend) => (
            <BackendRow key={backend.name} backend={backend} />
          ))}
        </ul>
      </section>
      <p>
        <a href="/admin/limits">{t.whoMay}</a>
      </p>
    </AdminPage>
  );
}

function BackendRow({ backend }: { backend: AdminBackendView }) {
  const t = useText().backends;
  const n = useNumbers();
  const { name, displayName, driver, image, imageState, problem, runners, isDisabled, isForAll } = backend;
  const told = [
    ...(displayName === name ? [] : [name]),
    t.on(driver),
    ...(image === undefined ? [] : [image]),
    ...(imageState === undefined ? [] : [t.images[imageState]]),
    t.runners(n.count(runners)),
  ];
  return (
    <li id={`backend-${name}`}>
      <Icon name={problem === undefined ? 'circle-check' : 'circle-alert'} />
      <div class="grow">
        <p class="row-title">
          <span dir="auto">{displayName}</span>
          {isDisabled && <span class="badge">{t.disabled}</span>}
          {!isForAll && <span class="badge">{t.limited}</span>}
        </p>
        <p class="quiet verbatim">{told.join(' · ')}</p>
        {problem !== undefined && <p class="field-error">{problem}</p>}
      </div>
    </li>
  );
}
