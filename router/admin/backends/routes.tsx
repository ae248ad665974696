/** Administration → Backends: the state of each entry of `backends.json`, and fetching its image; also at `/api/admin/backends`. */
import { Elysia, t } from 'elysia';
import { AdminBackendsPage } from '../../../views/admin/backends';
import type { AdminBackendView } from '../../../views/admin/models';
import type { Flash } from '../../../views/models';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { ShellOf } from '../../accounts/present-pages';
import { flashOf } from '../../web/answers/flash';
import { refusalOf } from '../../web/answers/refused-form';
import { page, seeOther } from '../../web/answers/respond';
import { textOf } from '../../web/reader';
import { type BackendsDeps, backendViews } from './present';

interface BackendsRoutesDeps extends BackendsDeps {
  readonly shell: ShellOf;
}

export function backendsRoutes(deps: BackendsRoutesDeps, session: SessionPlugin) {
  const { backends, images } = deps;

  return new Elysia({ name: 'all-backends' })
    .use(session)
    .get(
      '/admin/backends',
      ({ who, query }) => backendsPage(deps, who, flashOf({ pulling: textOf(who).backends.pulling }, query.said)),
      { admin: true, query: t.Object({ said: t.Optional(t.String()) }) },
    )
    .post(
      '/admin/backends/:backend/pull',
      async ({ who, params, request }) => {
        try {
          images.fetchAnew(backends.get(params.backend));
        } catch (error) {
          const { message, status } = refusalOf(error);
          return backendsPage(deps, who, { kind: 'bad', message }, status);
        }
        return seeOther(request, '/admin/backends?said=pulling');
      },
      { admin: true, audit: 'image.fetched' },
    )
    .get(
      '/api/admin/backends',
      () => ({ backends: backendViews(deps).map(backendJson), problem: backends.problem ?? null }),
      { admin: true },
    )
    .post(
      '/api/admin/backends/:backend/pull',
      ({ params, status }) => {
        const backend = backends.get(params.backend);
        images.fetchAnew(backend);
        return status(202, { image: backend.image ?? null, image_state: images.stateOf(backend)?.state ?? null });
      },
      { admin: true, audit: 'image.fetched' },
    );
}

function backendJson({ name, driver, image, imageState, problem, runners, isDisabled, isForAll }: AdminBackendView) {
  return {
    ...{ name, driver, image: image ?? null, image_state: imageState?.state ?? null, problem: problem ?? null },
    ...{ runners, disabled: isDisabled, for_everybody: isForAll },
  };
}

async function backendsPage(deps: BackendsRoutesDeps, who: Who, flash?: Flash, status?: number): Promise<Response> {
  return page(
    who,
    <AdminBackendsPage
      shell={await deps.shell(who)}
      backends={backendViews(deps)}
      problem={deps.backends.problem}
      liveUrl="/admin/live?on=backends"
      flash={flash}
    />,
    status,
  );
}
