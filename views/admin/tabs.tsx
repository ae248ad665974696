import { useText } from '../render';

export type AdminTab =
  | 'overview'
  | 'runners'
  | 'backends'
  | 'users'
  | 'invitations'
  | 'usage'
  | 'prices'
  | 'budgets'
  | 'keys'
  | 'audit';
const tabs: AdminTab[] = [
  'overview',
  'runners',
  'backends',
  'users',
  'invitations',
  'usage',
  'prices',
  'budgets',
  'keys',
  'audit',
];

/** Links to the administrator's pages. */
export function AdminTabs({ current }: { current: AdminTab }) {
  const t = useText();
  return (
    <nav class="tabs" aria-label={t.admin.label}>
      {tabs.map((tab) => (
        <a key={tab} href={`/admin/${tab}`} aria-current={tab === current ? 'page' : undefined}>
          {t.admin[tab]}
        </a>
      ))}
    </nav>
  );
}
