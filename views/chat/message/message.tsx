import { Icon } from '../../icons';
import { Confirm } from '../../kit/confirm';
import { markup } from '../../kit/markdown';
import { Time } from '../../kit/time';
import { type Html, noHtml } from '../../markup';
import type { MessageView } from '../../models';
import { useNumbers } from '../../numbers';
import { useText } from '../../render';
import type { FactsView } from '../models';
import { Attachments } from './attachments';
import { CopyButton, RetryForm, VariantArrows } from './controls';
import { Outcome } from './outcome';
import { Steps } from './steps';

/** One message: the same part in the page, in an update and after a reload. */
export function Message({ message }: { message: MessageView }) {
  if (message.role === 'notice') return <NoticeOfAgent message={message} />;
  return message.role === 'user' ? <UserMessage message={message} /> : <Answer message={message} />;
}

function UserMessage({ message }: { message: MessageView }) {
  const t = useText();
  return (
    <article id={`message-${message.id}`} class="message user">
      <h2 class="visually-hidden">{t.message.you}</h2>
      {message.files && <Attachments files={message.files} />}
      {(message.text !== '' || !message.files) && (
        <p class="bubble" dir="auto">
          {message.text}
          {message.wholeHref !== undefined && '…'}
        </p>
      )}
      <WholeText message={message} />
      <UserActions message={message} />
    </article>
  );
}

/** A line that the agent said without being asked. */
function NoticeOfAgent({ message }: { message: MessageView }) {
  const t = useText();
  return (
    <article id={`message-${message.id}`} class="message callback-notice">
      <Icon name="info" />
      <div>
        <h2 class="visually-hidden">{t.message.notice(message.agentName)}</h2>
        <AnswerText message={message} html={message.html} />
        <p class="quiet">
          <span aria-hidden="true">{message.agentName}</span> <Time ms={message.createdAtMs} />
        </p>
      </div>
    </article>
  );
}

function UserActions({ message }: { message: MessageView }) {
  const t = useText();
  const href = `/messages/${message.id}`;
  return (
    <footer class="actions">
      {message.variants && <VariantArrows message={message} variants={message.variants} />}
      <CopyButton messageId={message.id} label={t.message.copyOwn} />
      <a
        class="icon-button small edit-link"
        href={`${href}/edit`}
        hx-get={`${href}/edit`}
        hx-target="closest article"
        hx-swap="outerHTML"
        aria-label={t.message.edit}
        title={t.message.edit}
      >
        <Icon name="pencil" />
      </a>
      <Confirm
        id={`delete-${message.id}`}
        triggerClass="icon-button small"
        triggerLabel={t.message.deleteFrom}
        trigger={<Icon name="trash-2" />}
        question={t.message.deleteFromQuestion}
        consequence={t.message.deleteFromConsequence}
        action={`${href}/delete`}
        label={t.message.deleteFrom}
      />
    </footer>
  );
}

function Answer({ message }: { message: MessageView }) {
  const t = useText();
  const streaming = message.status === 'streaming';
  return (
    <article
      id={`message-${message.id}`}
      class="message answer"
      data-status={message.status}
      aria-busy={streaming ? 'true' : undefined}
    >
      <header class="byline">
        <span class={streaming ? 'dot busy' : 'dot'} aria-hidden="true" />
        <h2>
          <span class="visually-hidden">{t.message.answer(message.agentName)}</span>
          <span aria-hidden="true">{message.agentName}</span>
        </h2>
        <Time ms={message.createdAtMs} />
        {message.isCallback && <span>· {t.message.unasked}</span>}
      </header>
      <AnswerSteps message={message} />
      {streaming ? <GrowingText message={message} /> : <FinishedText message={message} />}
    </article>
  );
}

/** While the answer is written there is a place for them. An update without them keeps the page's. */
function AnswerSteps({ message }: { message: MessageView }) {
  if (message.steps?.length === 0 && message.status !== 'streaming') return null;
  return <Steps messageId={message.id} steps={message.steps ?? []} fold={message.fold} />;
}

/** The text grows by changes of its last elements (views/growth.ts), and other updates of the message leave it as it is. */
function AnswerText({ message, html }: { message: MessageView; html: Html | undefined }) {
  // A morph takes away first what is not in the update: the attribute is in both.
  return (
    <div
      id={`message-${message.id}-text`}
      class="prose"
      hx-morph-skip-children=""
      dangerouslySetInnerHTML={markup(html ?? noHtml)}
    />
  );
}

function GrowingText({ message }: { message: MessageView }) {
  return (
    <>
      <AnswerText message={message} html={message.growing?.html} />
      <Waiting message={message} />
      <WholeText message={message} />
    </>
  );
}

/** Until there is text. */
function Waiting({ message }: { message: MessageView }) {
  const t = useText();
  const { progress } = message;
  if (!progress) {
    return (
      <p class="waiting thinking">
        <span class="visually-hidden">{t.message.thinking}</span>
      </p>
    );
  }
  return (
    <div class="waiting starting">
      <p>{progress.message}</p>
      <progress max={100} value={progress.percent} aria-label={t.runner.progress} />
    </div>
  );
}

function FinishedText({ message }: { message: MessageView }) {
  return (
    <>
      {message.text !== '' && <AnswerText message={message} html={message.html} />}
      <WholeText message={message} />
      {message.calls && <Steps messageId={`${message.id}-calls`} steps={message.calls} fold={message.callsFold} />}
      <Outcome message={message} />
      <AnswerActions message={message} />
    </>
  );
}

/** The link to the whole of a very long text, of which pages show the beginning. */
function WholeText({ message }: { message: MessageView }) {
  const t = useText();
  const { wholeHref, role, status } = message;
  if (wholeHref === undefined) return null;
  return (
    <p class="note whole-text">
      {status === 'streaming' ? t.message.beginningGrows : t.message.beginning}{' '}
      <a href={wholeHref} target="_blank" rel="noopener">
        {role === 'user' ? t.message.wholeMessage : t.message.wholeAnswer}
      </a>
    </p>
  );
}

function AnswerActions({ message }: { message: MessageView }) {
  const t = useText();
  const isCopied = message.text !== '';
  // A failed answer has a labelled button in its notice.
  const isOffered = !message.isCallback && (!message.retryable || message.status !== 'failed');
  return (
    <footer class="actions">
      {message.variants && <VariantArrows message={message} variants={message.variants} />}
      {isCopied && <CopyButton messageId={message.id} label={t.message.copy} />}
      {isOffered && <RetryForm messageId={message.id} />}
      {message.facts && <Facts facts={message.facts} />}
    </footer>
  );
}

/** Model, tokens, time and cost of an answer. */
function Facts({ facts }: { facts: FactsView }) {
  const t = useText();
  const numbers = useNumbers();
  const { models, tokens, tookMs, cost } = facts;
  const known = [
    ...models,
    ...(tokens === undefined ? [] : [t.facts.tokens(numbers.count(tokens), tokens)]),
    t.steps.duration(tookMs),
    ...(cost === undefined ? [] : [t.facts.cost(numbers.money(cost))]),
  ];
  return <p class="facts quiet">{known.join(' · ')}</p>;
}
