import type { ComponentChildren } from 'preact';
import { Mark } from '../icons';
import { FormNotice } from '../kit/notice';
import { CardLayout } from '../layout';
import type { FormState } from '../models';
import { useText } from '../render';

interface EntranceProps {
  title: string;
  lead: string;
  form: FormState;
  children: ComponentChildren;
}

/** The page of somebody who is not signed in: a card with one form. */
export function Entrance({ title, lead, form, children }: EntranceProps) {
  const t = useText();
  return (
    <CardLayout title={title}>
      <div class="entrance">
        <p class="brand">
          <Mark />
          {t.productName}
        </p>
        <h1>{title}</h1>
        <p class="quiet">{lead}</p>
        <FormNotice form={form} isFirst={false} />
        {children}
      </div>
    </CardLayout>
  );
}
