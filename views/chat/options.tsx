/** What can be done with a conversation: a menu beside its link. Without scripts it is a page: options-page.tsx. */
import { Icon, type IconName } from '../icons';
import type { OptionsView, Shelf } from '../models';
import { useText } from '../render';
import { Sentence } from '../sentences';

const EXPORTS = ['markdown', 'json'] as const;

/**
 * The button that opens the menu of a conversation: in a list, of the one with this title; otherwise of the page's.
 * app/menus.js shows what it gets beside it; without scripts it leads to the page.
 */
export function OptionsButton({ id, title }: { id: string; title?: string }) {
  const t = useText();
  const path = `/conversations/${id}/options`;
  return (
    // biome-ignore lint/a11y/useSemanticElements: without scripts it is a link
    <a
      id={`${title === undefined ? 'bar' : 'link'}-options-${id}`}
      role="button"
      aria-haspopup="menu"
      aria-expanded="false"
      class={title === undefined ? 'icon-button' : 'icon-button small'}
      href={path}
      hx-get={path}
      hx-target="#options"
      hx-swap="innerHTML"
      aria-label={title === undefined ? t.conversation.menu : t.conversation.optionsOf(title)}
    >
      <Icon name="ellipsis" />
    </a>
  );
}

/** The place of the menu, and of the notice of its last action with _Undo_. */
export function OptionsPlaces() {
  const t = useText();
  return (
    <>
      <section id="options" class="menu" popover="auto" aria-label={t.conversation.menu} />
      <section id="undo" popover="manual" aria-label={t.conversation.undo} />
    </>
  );
}

/** The menu of a conversation. */
export function OptionsMenu({ conversation }: { conversation: OptionsView }) {
  const t = useText();
  const { id, title } = conversation;
  const path = `/conversations/${id}`;
  return (
    <div role="menu" aria-label={t.conversation.optionsOf(title)}>
      <a
        role="menuitem"
        class="menu-item"
        href={`${path}/options`}
        hx-get={`${path}/title`}
        hx-target="#options"
        hx-swap="innerHTML"
      >
        <Icon name="pencil" />
        {t.conversation.rename}
      </a>
      <ShelfItems conversation={conversation} />
      <hr />
      <ExportItems id={id} kind="menuitem" />
      <hr />
      <ActionItem action={`${path}/delete`} icon="trash-2" isBad>
        {t.conversation.delete}
      </ActionItem>
    </div>
  );
}

function ShelfItems({ conversation: { id, shelf } }: { conversation: OptionsView }) {
  const t = useText().conversation;
  const [isPinned, isArchived] = [shelf === 'pinned', shelf === 'archived'];
  const action = `/conversations/${id}/shelf`;
  return (
    <>
      {!isArchived && (
        <ActionItem action={action} icon={isPinned ? 'pin-off' : 'pin'} shelf={isPinned ? 'list' : 'pinned'}>
          {isPinned ? t.unpin : t.pin}
        </ActionItem>
      )}
      <ActionItem
        action={action}
        icon={isArchived ? 'archive-restore' : 'archive'}
        shelf={isArchived ? 'list' : 'archived'}
      >
        {isArchived ? t.unarchive : t.archive}
      </ActionItem>
    </>
  );
}

interface ActionProps {
  action: string;
  icon: IconName;
  shelf?: Shelf;
  isBad?: boolean;
  children: string;
}

function ActionItem({ action, icon, shelf, isBad, children }: ActionProps) {
  return (
    <form role="none" method="post" action={action} hx-post={action} hx-swap="none">
      {shelf && <input type="hidden" name="shelf" value={shelf} />}
      <button type="submit" role="menuitem" class={isBad ? 'menu-item bad' : 'menu-item'}>
        <Icon name={icon} />
        {children}
      </button>
    </form>
  );
}

/** Links to the conversation as a file. */
export function ExportItems({ id, kind }: { id: string; kind: 'menuitem' | 'button' }) {
  const t = useText();
  const look = kind === 'button' ? { class: 'button' } : { role: kind, class: 'menu-item' };
  return EXPORTS.map((format) => (
    <a key={format} {...look} href={`/api/conversations/${id}/export?format=${format}`} download>
      <Icon name="download" />
      {t.transfer[format]}
    </a>
  ));
}

/** The form for a title, in place of the menu and on the page. */
export function RenameForm({ conversation: { id, title, error } }: { conversation: OptionsView }) {
  const t = useText().conversation;
  const action = `/conversations/${id}/title`;
  return (
    <form method="post" action={action} class="rename" hx-post={action} hx-target="this" hx-swap="outerHTML">
      <label for="rename-title">{t.title}</label>
      <div class="row">
        <input
          id="rename-title"
          name="title"
          required
          autofocus
          value={title}
          autocomplete="off"
          dir="auto"
          aria-describedby={error && 'rename-error'}
          aria-invalid={error ? 'true' : undefined}
        />
        <button type="submit" class="button">
          {t.rename}
        </button>
      </div>
      {error && (
        <p id="rename-error" class="field-error">
          <Sentence of={error} />
        </p>
      )}
    </form>
  );
}

interface UndoProps {
  conversationId: string;
  /** Where it was before. */
  shelf: Shelf;
  label: string;
  /** Whether the page is changed in place, and not left for the conversation. */
  inPlace?: boolean;
}

/** Puts a conversation back where it was. */
export function UndoForm({ conversationId, shelf, label, inPlace }: UndoProps) {
  const action = `/conversations/${conversationId}/shelf`;
  return (
    <form method="post" action={action} class="row" {...(inPlace && { 'hx-post': action, 'hx-swap': 'none' })}>
      <input type="hidden" name="shelf" value={shelf} />
      <button type="submit" class="button" aria-describedby={inPlace ? 'undo-said' : undefined}>
        {label}
      </button>
    </form>
  );
}

/** What was just done with a conversation in the list, for the place of `OptionsPlaces`. */
export function Undoable({ conversationId, shelf, done }: Omit<UndoProps, 'label'> & { done: 'deleted' | 'archived' }) {
  const t = useText().conversation;
  return (
    <>
      <p id="undo-said">{t[done]}</p>
      <UndoForm conversationId={conversationId} shelf={shelf} label={t.undo} inPlace />
      <button
        type="button"
        class="icon-button small"
        popovertarget="undo"
        popovertargetaction="hide"
        aria-label={t.close}
      >
        <Icon name="x" />
      </button>
    </>
  );
}
