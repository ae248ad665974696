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
  children: ComponentChildren;
}

/** A short text in a box. Icon and wording show its kind, not only the colour. */
export function Notice({ kind, id, role, children }: NoticeProps) {
  return (
    <div id={id} class="notice" data-kind={kind} role={role}>
      <Icon name={icons[kind]} />
      <div class="notice-body">{children}</div>
    </div>
  );
}

/** The message of a refused form, if it has one. */
export function FormNotice({ form }: { form: FormState }) {
  if (!form.message) return null;
  return (
    <Notice kind="bad" role="alert">
      <Sentence of={form.message} />
    </Notice>
  );
}

/** The result of a form, if there is one. */
export function FlashNotice({ flash, id }: { flash: Flash | undefined; id: string }) {
  if (!flash) return null;
  return (
    <Notice kind={flash.kind} role={flash.kind === 'bad' ? 'alert' : 'status'} id={id}>
      {flash.message}
    </Notice>
  );
}
