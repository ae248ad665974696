import { useNumbers } from '../numbers';
import { useText } from '../render';
import type { RunnerFactsView } from './models';

/** What the runner works on, how long it has been up, and what will stop it. Nothing while there is no runner. */
export function RunnerFacts({ facts }: { facts: RunnerFactsView }) {
  const t = useText().runner.facts;
  const n = useNumbers();
  const { upMs, answers, calls } = facts;
  const isBusy = answers + calls > 0;
  return (
    <dl id={`runner-facts-${facts.agentId}`} class="runner-facts">
      {upMs !== undefined && (
        <>
          <div>
            <dt>{t.up}</dt>
            <dd>{n.duration(upMs)}</dd>
          </div>
          <div>
            <dt>{t.now}</dt>
            <dd>{isBusy ? t.busy(answers, calls) : t.idle}</dd>
          </div>
          <div>
            <dt>{t.stops}</dt>
            <dd>
              <Stops facts={facts} isBusy={isBusy} />
            </dd>
          </div>
        </>
      )}
    </dl>
  );
}

function Stops({ facts, isBusy }: { facts: RunnerFactsView; isBusy: boolean }) {
  const t = useText().runner.facts;
  const n = useNumbers();
  const { idleMs, stopsInMs, isStale } = facts;
  if (isStale) return t.stopsStale;
  if (idleMs === 0) return t.stopsNever;
  return isBusy || stopsInMs === undefined ? t.stopsAfter(n.duration(idleMs)) : t.stopsIn(n.duration(stopsInMs));
}
