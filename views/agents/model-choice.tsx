import { useText } from '../render';
import type { ModelChoiceView } from './models';

interface ModelMenuProps {
  agentId: string;
  /** The model that answers; absent when none is set. */
  model: string | undefined;
}

/** The model in the title bar, and a menu to choose another, whose list is fetched when it opens. */
export function ModelMenu({ agentId, model }: ModelMenuProps) {
  const t = useText().agents;
  return (
    <>
      <button type="button" class="runner-button model-button" popovertarget="model-menu">
        <span class="visually-hidden">{t.model}</span>
        <span class="ellipsis">{model ?? t.noModel}</span>
      </button>
      <div id="model-menu" class="menu from-title-bar" popover="auto">
        <p class="menu-title">{t.model}</p>
        <div
          id="model-choice"
          hx-get={`/agents/${agentId}/models`}
          hx-trigger="beforetoggle from:#model-menu once"
          hx-swap="outerHTML"
        >
          <a class="menu-item" href={`/agents/${agentId}/settings`}>
            {t.modelSettings}
          </a>
        </div>
      </div>
    </>
  );
}

/** The models of the upstream, one button each; the one in use is marked. */
export function ModelChoice({ choice }: { choice: ModelChoiceView }) {
  const t = useText().agents;
  const { agentId, own, inherited, models, error } = choice;
  return (
    <div id="model-choice">
      {error !== undefined && <p class="menu-note">{error}</p>}
      <form method="post" action={`/agents/${agentId}/model`} class="model-list">
        <button type="submit" class="menu-item" name="model" value="" aria-current={own === '' ? 'true' : undefined}>
          <span>{t.modelInherited(inherited)}</span>
        </button>
        {models.map((model) => (
          <button
            key={model}
            type="submit"
            class="menu-item"
            name="model"
            value={model}
            aria-current={model === own ? 'true' : undefined}
          >
            <span>{model}</span>
          </button>
        ))}
      </form>
      <hr />
      <a class="menu-item" href={`/agents/${agentId}/settings`}>
        {t.modelSettings}
      </a>
    </div>
  );
}
