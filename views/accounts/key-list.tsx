import { Icon } from '../icons';
import { Confirm } from '../kit/confirm';
import { Time } from '../kit/time';
import { useText } from '../render';
import type { KeyView } from './models';

/** A key with the e-mail address of its owner. */
export type OwnedKeyView = KeyView & { owner?: string };

interface KeyListProps {
  keys: OwnedKeyView[];
  /** Path below which keys are revoked: `<action>/<id>/revoke`. */
  action: '/settings/keys' | '/admin/keys';
}

export function KeyList({ keys, action }: KeyListProps) {
  const t = useText();
  if (keys.length === 0) return <p class="quiet">{t.keys.none}</p>;
  return (
    <ul class="rows">
      {keys.map((key) => (
        <KeyRow key={key.id} item={key} action={action} />
      ))}
    </ul>
  );
}

function KeyRow({ item, action }: { item: OwnedKeyView; action: KeyListProps['action'] }) {
  const t = useText();
  const { name, owner } = item;
  return (
    <li id={`key-${item.id}`}>
      <Icon name="key-round" />
      <div class="grow">
        <p class="ellipsis" dir="auto">
          {name} {owner !== undefined && <span class="quiet">{t.keys.ofOwner(owner)}</span>}
        </p>
        <p class="quiet">
          <code>{t.keys.endsWith(item.lastFour)}</code> · {t.keys.createdAt} <Time ms={item.createdAtMs} /> ·{' '}
          {item.lastUsedAtMs === undefined ? (
            t.keys.neverUsed
          ) : (
            <>
              {t.keys.lastUsed} <Time ms={item.lastUsedAtMs} />
            </>
          )}
        </p>
        <KeyLimits item={item} />
      </div>
      <Confirm
        id={`revoke-${item.id}`}
        triggerClass="button quiet-button"
        trigger={t.keys.revoke}
        triggerLabel={t.keys.revokeNamed(name)}
        question={t.keys.revokeQuestion(name)}
        consequence={t.keys.revokeConsequence}
        action={`${action}/${item.id}/revoke`}
        label={t.keys.revoke}
      />
    </li>
  );
}

/** The limits of this key and its further permissions, compared with a plain key for `/v1` without expiry. */
function KeyLimits({ item }: { item: KeyView }) {
  const t = useText().keys;
  const { expiresAtMs, only = [], requestsPerMinute, tokensPerMinute, concurrentMax, hasEventsWhileWaiting } = item;
  const words = [
    item.opensAgents && t.opensAgents,
    item.canManage && t.manages,
    only.length > 0 && t.only(only),
    requestsPerMinute !== undefined && t.requests(requestsPerMinute),
    tokensPerMinute !== undefined && t.tokens(tokensPerMinute),
    concurrentMax !== undefined && t.atOnce(concurrentMax),
    hasEventsWhileWaiting && t.hasEventsWhileWaiting,
  ].filter((word) => word !== false && word !== undefined);
  if (words.length === 0 && expiresAtMs === undefined) return null;
  return (
    <p class="quiet">
      {words.join(' · ')}
      {expiresAtMs !== undefined && (
        <>
          {words.length > 0 && ' · '}
          {item.isExpired ? t.expired : t.expires} <Time ms={expiresAtMs} />
        </>
      )}
    </p>
  );
}
