import { Mark } from '../icons';
import type { AgentView } from '../models';
import { useLocale, useText } from '../render';
import { Sentence, translate } from '../sentences';

/** The page before the first message: a description of the agent, and suggested first messages. */
export function Greeting({ agent, importError }: { agent: AgentView; importError?: string | undefined }) {
  const t = useText();
  const locale = useLocale();
  const suggestions = agent.suggestions.map((suggestion) => translate(locale, suggestion));
  return (
    <div class="greeting column">
      <Mark />
      <p class="greeting-title">{t.greeting.title(agent.name)}</p>
      <p class="quiet">
        <Sentence of={agent.description ?? t.greeting.lead(agent.name)} />
      </p>
      {!agent.disabled && suggestions.length > 0 && (
        <form
          method="post"
          action={`/agents/${agent.agentId}/conversations`}
          class="suggestions"
          aria-label={t.greeting.suggestionsLabel}
        >
          {suggestions.map((suggestion) => (
            <button key={suggestion} type="submit" name="text" value={suggestion}>
              {suggestion}
            </button>
          ))}
        </form>
      )}
      {!agent.disabled && <ImportForm agentId={agent.agentId} error={importError} />}
    </div>
  );
}

/** A conversation goes on from the file that it was exported to. */
function ImportForm({ agentId, error }: { agentId: string; error?: string | undefined }) {
  const t = useText();
  return (
    <details class="import" open={error !== undefined}>
      <summary>{t.transfer.import}</summary>
      <form method="post" action={`/agents/${agentId}/import`} enctype="multipart/form-data">
        <label for="import-file">{t.transfer.file}</label>
        <p id="import-error" class="field-error verbatim" role="alert">
          {error && <Sentence of={error} />}
        </p>
        <div class="row">
          <input
            id="import-file"
            type="file"
            name="file"
            accept="application/json,.json"
            required
            autofocus={error !== undefined}
            aria-describedby="import-error"
            aria-invalid={error ? 'true' : undefined}
          />
          <button type="submit" class="button">
            {t.transfer.importNow}
          </button>
        </div>
      </form>
    </details>
  );
}
