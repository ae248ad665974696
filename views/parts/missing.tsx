import { useText } from '../render';
import { Notice } from './notice';

/** Says which credentials an agent lacks, by their words in the settings, and leads there. */
export function MissingCredentials({ agentName, missing }: { agentName: string; missing: string[] }) {
  const t = useText();
  return (
    <Notice kind="info" id="missing-credentials">
      <p>
        <strong>{t.missing.title(agentName)}</strong>
      </p>
      <p>{t.missing.names(missing.map((name) => t.credentials.names[name] ?? name))}</p>
      <div class="row">
        <a class="button" href="/settings#credentials">
          {t.missing.action}
        </a>
      </div>
    </Notice>
  );
}
