import { Icon } from '../../icons';
import type { AttachLimits, AttachmentView, EditView } from '../../models';
import { useNumbers } from '../../numbers';
import { useText } from '../../render';

/** The files of a message: pictures to look at, others to download. */
export function Attachments({ files }: { files: readonly AttachmentView[] }) {
  const t = useText().attach;
  return (
    <ul class="attachments" aria-label={t.list}>
      {files.map((file) => (
        <li key={file.id}>{file.isPicture ? <Picture file={file} /> : <FileLink file={file} />}</li>
      ))}
    </ul>
  );
}

function Picture({ file }: { file: AttachmentView }) {
  const { name, width, height } = file;
  const href = hrefOf(file);
  return (
    <a class="picture" href={href} target="_blank" rel="noopener" title={name} aria-label={name}>
      <img src={href} alt={name} width={width} height={height} loading="lazy" decoding="async" />
    </a>
  );
}

function FileLink({ file }: { file: AttachmentView }) {
  if (file.host !== undefined) {
    return (
      <a class="chip" href={file.name} target="_blank" rel="noopener noreferrer nofollow" title={file.name}>
        <Icon name="external-link" />
        <FileWords file={file} />
      </a>
    );
  }
  return (
    <a class="chip" href={hrefOf(file)} download={file.name}>
      <Icon name="file" />
      <FileWords file={file} />
    </a>
  );
}

function FileWords({ file: { name, bytes, host } }: { file: AttachmentView }) {
  const n = useNumbers();
  const t = useText().attach;
  if (host !== undefined) return <span class="ellipsis">{t.elsewhere(host)}</span>;
  return (
    <>
      <span class="ellipsis" dir="auto">
        {name}
      </span>
      <span class="quiet">{n.bytes(bytes)}</span>
    </>
  );
}

/** The files of a message that is being edited: those that are ticked stay with it. */
export function KeptFiles({ edit }: { edit: EditView }) {
  const t = useText().attach;
  if (edit.files.length === 0) return null;
  return (
    <fieldset class="attachments">
      <legend class="visually-hidden">{t.keep}</legend>
      {edit.files.map((file) => (
        <label key={file.id} class="chip">
          <input type="checkbox" name="keep" value={file.id} checked={file.isKept} />
          <FileWords file={file} />
        </label>
      ))}
    </fieldset>
  );
}

/** The button that chooses files for a message: a file input, which drops and pastes fill as well. */
export function AttachButton({ limits }: { limits: AttachLimits }) {
  const t = useText().attach;
  const n = useNumbers();
  const { bytesMax, countMax } = limits;
  return (
    <label class="icon-button attach" title={t.button}>
      <Icon name="paperclip" />
      <input
        id="composer-files"
        type="file"
        name="files"
        multiple
        aria-label={t.button}
        aria-describedby="composer-error"
        data-count-max={countMax}
        data-bytes-max={bytesMax}
        data-too-many={t.tooMany(countMax)}
        data-too-large={t.tooLarge('{name}', n.bytes(bytesMax))}
      />
    </label>
  );
}

/** Where app/attachments.js lists the files that are chosen, each as the template has it. */
export function ChosenFiles() {
  const t = useText().attach;
  return (
    <>
      <ul id="composer-chosen" class="attachments" aria-label={t.list} hidden />
      <template id="composer-chip">
        <li class="chip">
          <img alt="" hidden />
          <Icon name="file" />
          <span class="ellipsis" dir="auto" />
          <button type="button" class="icon-button small" aria-label={t.remove('{name}')}>
            <Icon name="x" />
          </button>
        </li>
      </template>
    </>
  );
}

function hrefOf({ id }: AttachmentView): string {
  return `/api/attachments/${id}`;
}
