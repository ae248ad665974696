import type { ComponentChildren } from 'preact';
import { Icon, type IconName } from '../icons';
import type { Flash, FormState } from '../models';
import { Sentence } from '../sentences';

const icons: Record<Kind, IconName> = { good: 'circle-check', bad: 'circle-alert', info: 'info' };

type Kind = Flash['kind'] | 'info';

interface NoticeProps {
  kind: Kind;
  id?: string;
  /** `alert` for a failure that just happened, `status` for a success. */
  role?: 'alert' | 'status';
  /** Whether a link or redirect leads to it, and gives it the focus. */
  isTarget?: boolean;
  /** Whether it has the focus when the page opens. */
  isFirst?: boolean;
  children: ComponentChildren;
}

/** A short text in a box. Icon and wording show its kind, not only the colour. */
export function Notice({ kind, id, role, isTarget, isFirst, children }: NoticeProps) {
  return (
    <div
      id={id}
      class="notice"
      data-kind={kind}
      role={role}
      {...((isTarget || isFirst) && { tabindex: -1, autofocus: isFirst })}
    >
      <Icon name={icons[kind]} />
      <div class="notice-body">{children}</div>
    </div>
  );
}

/** The message of a refused form, if it has one. */
export function FormNotice({ form, isFirst = true }: { form: FormState; isFirst?: boolean }) {
  if (!form.message) return null;
  return (
    <Notice kind="bad" role="alert" isFirst={isFirst}>
      <Sentence of={form.message} />
    </Notice>
  );
}

/** The result of a form, if there is one. */
export function FlashNotice({ flash, id }: { flash: Flash | undefined; id: string }) {
  if (!flash) return null;
  return (
    <Notice kind={flash.kind} role={flash.kind === 'bad' ? 'alert' : 'status'} id={id} isTarget>
      {flash.message}
    </Notice>
  );
}
