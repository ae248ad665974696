import { Mark } from '../icons';
import type { AgentView } from '../models';
import { useText } from '../render';

/** The page before the first message: a description of the agent, and suggested first messages. */
export function Greeting({ agent }: { agent: AgentView }) {
  const t = useText();
  return (
    <div class="greeting column">
      <Mark />
      <p class="greeting-title">{t.greeting.title(agent.name)}</p>
      <p class="quiet">{agent.description ?? t.greeting.lead(agent.name)}</p>
      {!agent.disabled && agent.suggestions.length > 0 && (
        <form
          method="post"
          action={`/agents/${agent.agentId}/conversations`}
          class="suggestions"
          aria-label={t.greeting.suggestionsLabel}
        >
          {agent.suggestions.map((suggestion) => (
            <button key={suggestion} type="submit" name="text" value={suggestion}>
              {suggestion}
            </button>
          ))}
        </form>
      )}
    </div>
  );
}
