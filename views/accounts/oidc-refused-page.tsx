import { useText } from '../render';
import { Entrance } from './entrance';
import type { ProviderView } from './models';

interface OidcRefusedProps {
  message: string;
  /** Where the sign-in begins anew. */
  again: ProviderView | undefined;
  backHref: string;
}

/** A sign-in through the OpenID Connect provider that did not work: why, and the ways on. */
export function OidcRefusedPage({ message, again, backHref }: OidcRefusedProps) {
  const t = useText().signIn;
  return (
    <Entrance
      title={t.refused}
      lead={again ? t.refusedLead(again.name) : ''}
      form={{ values: {}, errors: {}, message }}
    >
      {again && (
        <a class="button primary wide" href={again.href}>
          {t.again}
        </a>
      )}
      <p class="quiet">
        <a href={backHref}>{t.back}</a>
      </p>
    </Entrance>
  );
}
