import { Icon } from '../icons';
import { LengthNote } from '../kit/length-note';
import type { AttachLimits, ComposerView } from '../models';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { AttachButton, ChosenFiles } from './message/attachments';

interface ComposerProps {
  agentId: string;
  agentName: string;
  composer: ComposerView;
  /** Absent where no files can be attached. */
  attach?: AttachLimits | undefined;
  /** Absent on the page that begins a conversation. */
  conversationId?: string | undefined;
  streamingId?: string | undefined;
}

/** The form for a message. Also the answer to a refused message, with its text and the reason below it. */
export function Composer(props: ComposerProps) {
  const { agentId, agentName, attach, composer, conversationId, streamingId } = props;
  const t = useText();
  const action = conversationId ? `/conversations/${conversationId}/messages` : `/agents/${agentId}/conversations`;
  return (
    <div id="composer" data-unreachable={t.composer.unreachable}>
      <div class="composer-box">
        {attach && <ChosenFiles />}
        <form
          id="composer-form"
          method="post"
          action={action}
          enctype="multipart/form-data"
          hx-post={action}
          hx-target="#composer"
          hx-swap="outerHTML"
          hx-sync="this:drop"
        >
          {attach && <AttachButton limits={attach} />}
          <label class="visually-hidden" for="composer-text">
            {t.composer.label(agentName)}
          </label>
          <textarea
            id="composer-text"
            name="text"
            rows={1}
            required
            dir="auto"
            placeholder={t.composer.label(agentName)}
            aria-describedby="composer-keys composer-text-length composer-error"
            aria-invalid={composer.error ? 'true' : undefined}
            value={composer.text}
          />
        </form>
        <ComposerActions streamingId={streamingId} />
      </div>
      <p id="composer-keys" class="visually-hidden">
        {t.composer.keys}
      </p>
      <LengthNote of="composer-text" max={composer.lengthMax} />
      <p id="composer-error" class="field-error" role="alert">
        <Sentence of={composer.error} />
      </p>
    </div>
  );
}

/** Send, or Stop while an answer grows. Beside the composer's form and not in it, because Stop is a form of its own. */
export function ComposerActions({ streamingId }: { streamingId?: string | undefined }) {
  const t = useText();
  const stop = `/messages/${streamingId}/stop`;
  return (
    <div id="composer-actions">
      {streamingId === undefined ? (
        <button type="submit" form="composer-form" class="round-button" aria-label={t.composer.send}>
          <Icon name="arrow-up" />
        </button>
      ) : (
        <form method="post" action={stop} hx-post={stop} hx-swap="none">
          <button type="submit" class="round-button stop" aria-label={t.composer.stop}>
            <Icon name="square" />
          </button>
        </form>
      )}
    </div>
  );
}
