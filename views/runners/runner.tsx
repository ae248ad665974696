import { Icon } from '../icons';
import { Hint } from '../kit/hint';
import type { AgentView, RunnerView } from '../models';
import { useText } from '../render';
import { Sentence } from '../sentences';

/**
 * The state of a runner as a word, not only as a colour. `place` distinguishes the badges of the sidebar and of the
 * title bar.
 */
export function RunnerBadge({ runner, place }: { runner: RunnerView; place?: 'bar' }) {
  const t = useText();
  const { unavailable, isStale } = runner;
  const stateWord = isStale && runner.state === 'running' ? t.runner.stale : t.runner.states[runner.state];
  const state = unavailable ? t.availability.badge(unavailable.platform) : stateWord;
  const isBar = place === 'bar' && !unavailable;
  const isKnown = isBar && runner.state === 'starting' && runner.percent !== undefined;
  const words = isKnown ? t.runner.percent(state, Math.round(runner.percent ?? 0)) : state;
  return (
    <span id={runnerId(runner.agentId, place)} class="badge" data-state={unavailable ? 'unavailable' : runner.state}>
      <span class="dot" aria-hidden="true" />
      <span>
        {runner.place === undefined ? words : t.runner.place(runner.place)}
        {isBar && runner.state === 'stopped' && <span class="wide-only">{t.runner.wakes}</span>}
      </span>
    </span>
  );
}

/** The badge in the title bar, and a menu with the state of the runner and a button to start or stop it. */
export function RunnerMenu({ agent }: { agent: AgentView }) {
  const t = useText();
  return (
    <>
      <button type="button" class="runner-button" popovertarget="runner-menu">
        <span class="visually-hidden">{t.runner.badge}</span>
        <RunnerBadge runner={agent.runner} place="bar" />
      </button>
      <div id="runner-menu" class="menu from-title-bar" popover="auto">
        <p class="menu-title">{t.runner.title(agent.name)}</p>
        <RunnerPanel runner={agent.runner} />
        <MoreOfRunner agentId={agent.agentId} />
      </div>
    </>
  );
}

/** What the runner does, fetched when the menu opens, and the way to its page. */
function MoreOfRunner({ agentId }: { agentId: string }) {
  const t = useText();
  const path = `/agents/${agentId}/runner`;
  return (
    <>
      <dl
        id={`runner-facts-${agentId}`}
        class="runner-facts"
        hx-get={path}
        hx-trigger="beforetoggle from:#runner-menu"
        hx-select={`#runner-facts-${agentId} > *`}
        hx-swap="innerHTML"
      />
      <hr />
      <a class="menu-item" href={path}>
        <Icon name="activity" />
        {t.runner.details}
      </a>
    </>
  );
}

/** The state of the runner and the one possible action. Inside the menu, so that an update does not close it. */
export function RunnerPanel({ runner }: { runner: RunnerView }) {
  const t = useText();
  const { agentId, state, percent, unavailable, isStale } = runner;
  const sentence = isStale && state === 'running' ? t.runner.staleSentence : t.runner.sentences[state];
  const up = state === 'running' || state === 'starting';
  const action = up ? `/agents/${agentId}/runner/stop` : `/agents/${agentId}/runner`;
  return (
    <div id={`runner-panel-${agentId}`} class="runner-panel">
      <p>{unavailable ? t.availability.title(unavailable.platform) : <Sentence of={runner.message ?? sentence} />}</p>
      {runner.hint && !unavailable && <Hint of={runner.hint} />}
      {state === 'starting' && <progress max={100} value={percent} aria-label={t.runner.progress} />}
      {state !== 'stopping' && !unavailable && (
        <form method="post" action={action} hx-post={action} hx-swap="none">
          <button type="submit" class="button">
            <Icon name={up ? 'power' : 'play'} />
            {up ? t.runner.stop : t.runner.start}
          </button>
        </form>
      )}
    </div>
  );
}

function runnerId(agentId: string, place: 'bar' | undefined): string {
  return place ? `runner-${place}-${agentId}` : `runner-${agentId}`;
}
