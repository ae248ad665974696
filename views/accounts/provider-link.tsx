import { Icon } from '../icons';
import { useText } from '../render';
import type { ProviderView } from './models';

/** The way to the sign-in page of the OpenID Connect provider. A link: a form may not lead to another site. */
export function ProviderLink({ provider }: { provider: ProviderView }) {
  const t = useText().signIn;
  return (
    <a class="button primary wide" href={provider.href}>
      <Icon name="log-in" />
      {t.withProvider(provider.name)}
    </a>
  );
}
