import { AppLayout, TitleBar } from '../layout';
import type { OptionsView, Shelf, Shell } from '../models';
import { useText } from '../render';
import { ExportItems, RenameForm } from './options';

/** Everything that the menu offers, without scripts. */
export function OptionsPage({ shell, conversation }: { shell: Shell; conversation: OptionsView }) {
  const t = useText().conversation;
  const { id, title, shelf } = conversation;
  const path = `/conversations/${id}`;
  const moves: { shelf: Shelf; label: string }[] =
    shelf === 'list'
      ? [
          { shelf: 'pinned', label: t.pin },
          { shelf: 'archived', label: t.archive },
        ]
      : [{ shelf: 'list', label: shelf === 'pinned' ? t.unpin : t.unarchive }];
  return (
    <AppLayout shell={shell} title={title}>
      <TitleBar dir="auto">
        <a href={path}>{title}</a>
      </TitleBar>
      <div class="settings column">
        <section class="card" aria-label={t.menu}>
          <RenameForm conversation={conversation} />
          <div class="row">
            {moves.map((move) => (
              <form key={move.shelf} method="post" action={`${path}/shelf`}>
                <input type="hidden" name="shelf" value={move.shelf} />
                <button type="submit" class="button">
                  {move.label}
                </button>
              </form>
            ))}
            <ExportItems id={id} kind="button" />
          </div>
          <form method="post" action={`${path}/delete`}>
            <button type="submit" class="button danger">
              {t.delete}
            </button>
          </form>
        </section>
      </div>
    </AppLayout>
  );
}
