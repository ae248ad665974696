import { AgentPage } from '../agents/page';
import { Icon } from '../icons';
import { FlashNotice } from '../kit/notice';
import { Time } from '../kit/time';
import type { AgentView, Flash, Shell } from '../models';
import { useNumbers } from '../numbers';
import { useText } from '../render';
import { archiveHref, contentHref, fileHref } from './links';
import type { FileEntryView, FileView, FolderView, SizeView } from './models';

interface PageProps {
  shell: Shell;
  agent: AgentView;
}

interface FolderProps extends PageProps {
  folder: FolderView;
  /** The size of the home, if it was asked for. */
  size?: SizeView | undefined;
  flash?: Flash | undefined;
}

/** A folder of the agent's home: its files, its size, and a place to drop files. */
export function FolderPage({ shell, agent, folder, size, flash }: FolderProps) {
  const t = useText().files;
  const { agentId } = agent;
  const { path, entries, more } = folder;
  return (
    <AgentPage shell={shell} agent={agent} tab="files">
      <section class="card" aria-labelledby="folder-title">
        <div class="card-head">
          <Crumbs agentId={agentId} path={path} />
          {entries.length > 0 && (
            <a class="button" href={archiveHref({ agentId, path })} download>
              <Icon name="download" />
              {t.downloadFolder}
            </a>
          )}
        </div>
        <FlashNotice flash={flash} id="files-flash" />
        {entries.length === 0 ? (
          <p class="quiet">{more === undefined ? t.tooMany : path.length === 0 ? t.noHome : t.empty}</p>
        ) : (
          <ul class="rows files">
            {entries.map((entry) => (
              <EntryRow key={entry.name} agentId={agentId} path={path} entry={entry} />
            ))}
          </ul>
        )}
        {more !== undefined && more > 0 && <p class="quiet">{t.more(more)}</p>}
        {size && <HomeSize {...size} />}
        {!size && path.length === 0 && entries.length > 0 && (
          <p class="quiet" hx-get={`/agents/${agentId}/files/size`} hx-trigger="load" hx-swap="outerHTML">
            <a href={`/agents/${agentId}/files/size`}>{t.sizeOf}</a>
          </p>
        )}
      </section>
      <UploadCard agentId={agentId} folder={folder} />
    </AgentPage>
  );
}

/** The size of the home, which takes a moment to find out. */
export function HomeSize({ bytes, files, isWhole }: SizeView) {
  const t = useText().files;
  const n = useNumbers();
  return <p class="quiet">{t.size(n.bytes(bytes), n.count(files), isWhole)}</p>;
}

function EntryRow({ agentId, path, entry }: { agentId: string; path: readonly string[]; entry: FileEntryView }) {
  const t = useText().files;
  const n = useNumbers();
  const { name, kind, bytes, changedAtMs } = entry;
  const place = { agentId, path: [...path, name] };
  return (
    <li>
      <Icon name={kind === 'folder' ? 'folder' : 'file'} />
      <div class="grow">
        <p class="row-title">
          {kind === 'other' ? (
            <span class="ellipsis" dir="auto">
              {name}
            </span>
          ) : (
            <a class="ellipsis" href={fileHref(place)} dir="auto">
              {name}
            </a>
          )}
          {kind === 'other' && <span class="badge">{t.other}</span>}
        </p>
        <p class="quiet">
          {kind === 'file' && `${n.bytes(bytes)} · `}
          <Time ms={changedAtMs} />
        </p>
      </div>
      {kind === 'file' && (
        <a class="icon-button" href={contentHref(place, { show: false })} download aria-label={t.downloadNamed(name)}>
          <Icon name="download" />
        </a>
      )}
    </li>
  );
}

/** The way to a folder or file; its last name is where one is. */
function Crumbs({ agentId, path }: { agentId: string; path: readonly string[] }) {
  const t = useText().files;
  return (
    <nav class="crumbs" aria-label={t.way}>
      <h2 id="folder-title">
        {['', ...path].map((name, at) => {
          const label = at === 0 ? t.home : name;
          const here = path.slice(0, at);
          return at === path.length ? (
            <span key={here.join('/')} aria-current="page" dir="auto">
              {label}
            </span>
          ) : (
            <>
              <a key={here.join('/')} href={fileHref({ agentId, path: here })} dir="auto">
                {label}
              </a>
              <span aria-hidden="true"> / </span>
            </>
          );
        })}
      </h2>
    </nav>
  );
}

function UploadCard({ agentId, folder: { path, uploadBytesMax } }: { agentId: string; folder: FolderView }) {
  const t = useText().files;
  const n = useNumbers();
  return (
    <section id="upload" class="card" aria-labelledby="upload-title">
      <h2 id="upload-title">{t.upload}</h2>
      <form
        method="post"
        action={fileHref({ agentId, path })}
        enctype="multipart/form-data"
        class="scope-form drop"
        data-drop
      >
        <div class="field">
          <label for="upload-files">{t.choose}</label>
          <input id="upload-files" type="file" name="files" multiple required aria-describedby="upload-help" />
          <p id="upload-help" class="field-help">
            <span class="script-only">{t.drop} </span>
            {t.uploadMax(n.bytes(uploadBytesMax))}
          </p>
        </div>
        <label class="check" for="upload-replace">
          <input id="upload-replace" type="checkbox" name="replace" value="yes" />
          {t.replace}
        </label>
        <div class="row">
          <button type="submit" class="button primary">
            {t.uploadNow}
          </button>
        </div>
      </form>
    </section>
  );
}

/** One file: its text or picture, where it is one. */
export function FilePage({ shell, agent, file }: PageProps & { file: FileView }) {
  const t = useText().files;
  const n = useNumbers();
  const { path, bytes, changedAtMs, text, isCut, isPicture } = file;
  const place = { agentId: agent.agentId, path };
  return (
    <AgentPage shell={shell} agent={agent} tab="files">
      <section class="card" aria-labelledby="folder-title">
        <div class="card-head">
          <Crumbs {...place} />
          <a class="button" href={contentHref(place, { show: false })} download>
            <Icon name="download" />
            {t.download}
          </a>
        </div>
        <p class="quiet">
          {n.bytes(bytes)} · <Time ms={changedAtMs} />
        </p>
        {isPicture && <img class="picture" src={contentHref(place, { show: true })} alt={path.at(-1) ?? ''} />}
        {text !== undefined && (
          // biome-ignore lint/a11y/useSemanticElements: a fieldset is for fields
          // biome-ignore lint/a11y/noNoninteractiveTabindex: without it the box cannot be scrolled by keyboard
          <div class="file-text" role="group" aria-labelledby="folder-title" tabIndex={0}>
            <pre dir="auto">{text}</pre>
          </div>
        )}
        {isCut && <p class="quiet">{t.cut}</p>}
        {!isPicture && text === undefined && <p class="quiet">{t.noView}</p>}
      </section>
    </AgentPage>
  );
}
