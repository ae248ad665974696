import { useText } from '../render';

const TABS = [
  ...(['overview', 'runners', 'backends', 'users', 'invitations'] as const),
  ...(['usage', 'prices', 'budgets', 'keys', 'audit'] as const),
];
export type AdminTab = (typeof TABS)[number];

/** Links to the administrator's pages. */
export function AdminTabs({ current }: { current: AdminTab }) {
  const t = useText();
  return (
    <nav class="tabs" aria-label={t.admin.label}>
      {TABS.map((tab) => (
        <a key={tab} href={`/admin/${tab}`} aria-current={tab === current ? 'page' : undefined}>
          {t.admin[tab]}
        </a>
      ))}
    </nav>
  );
}
