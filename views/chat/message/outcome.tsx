/** How an answer ended, and what can be done about it. */
import { MissingForm } from '../../credentials/missing';
import { Hint } from '../../kit/hint';
import { Notice } from '../../kit/notice';
import type { MessageView } from '../../models';
import { useText } from '../../render';
import { Sentence } from '../../sentences';
import type { CutBy } from '../models';
import { RetryForm } from './controls';

/** How an answer ended, when it did not simply end. */
export function Outcome({ message }: { message: MessageView }) {
  const t = useText();
  const { error, status, interrupted } = message;
  if (status === 'stopped') return <p class="note">{t.message.stopped}</p>;
  if (message.incomplete) return <Incomplete by={message.incomplete} goOnAction={message.goOnAction} />;
  if (status === 'done' && message.text === '' && !message.calls) return <p class="note">{t.message.empty}</p>;
  if (status !== 'failed') return null;
  if (message.missing) return <MissingForm messageId={message.id} missing={message.missing} />;
  return (
    <Notice kind="bad">
      <p>{error ? <Sentence of={error.message} /> : interrupted ? t.message.interrupted : t.message.failed}</p>
      {error?.hint && <Hint of={error.hint} />}
      <div class="row">
        {message.retryable && <RetryForm messageId={message.id} labelled />}
        {error?.action && (
          <a class="button" href={error.action.href}>
            {error.action.label}
          </a>
        )}
      </div>
    </Notice>
  );
}

/** That the model ended the answer before it was whole, and what can be done about it. */
function Incomplete({ by, goOnAction }: { by: CutBy; goOnAction: string | undefined }) {
  const t = useText().message;
  return (
    <div class="incomplete">
      <p class="note">{t.incomplete[by]}</p>
      {goOnAction !== undefined && (
        <form method="post" action={goOnAction} class="go-on" hx-post={goOnAction} hx-swap="none" hx-sync="this:drop">
          <input type="hidden" name="text" value={t.goOnText} />
          <button type="submit" class="button">
            {t.goOn}
          </button>
        </form>
      )}
    </div>
  );
}
