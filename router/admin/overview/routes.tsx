/** Administration → Overview: the whole installation at a glance, on a page and at `/api/admin/overview`. */
import { Elysia } from 'elysia';
import type { OverviewView } from '../../../views/admin/models';
import { AdminOverviewPage } from '../../../views/admin/overview';
import type { SessionPlugin } from '../../accounts/identify';
import type { ShellOf } from '../../accounts/present-pages';
import { page, seeOther } from '../../web/answers/respond';
import { overviewJson } from './present';

interface OverviewRoutesDeps {
  readonly overview: () => Promise<OverviewView>;
  readonly shell: ShellOf;
}

export function overviewRoutes({ overview, shell }: OverviewRoutesDeps, session: SessionPlugin) {
  return new Elysia({ name: 'overview' })
    .use(session)
    .get('/admin', ({ request }) => seeOther(request, '/admin/overview'), { admin: true })
    .get(
      '/admin/overview',
      async ({ who }) =>
        page(
          who,
          <AdminOverviewPage shell={await shell(who)} overview={await overview()} liveUrl="/admin/live?on=overview" />,
        ),
      { admin: true },
    )
    .get('/api/admin/overview', async () => overviewJson(await overview()), { admin: true });
}
