/** Turns the entries of `backends.json` into what the administrator's page and API show. */
import type { AdminBackendView } from '../../../views/admin/models';
import { EVERYBODY, type UserLimitsService } from '../../accounts/users/limits';
import type { Backend, BackendRegistry } from '../../backends/backends';
import type { PlatformsService } from '../../platforms/health';
import type { ImagesService } from '../../platforms/images';
import type { RunnersService } from '../../runners/runners';

export interface BackendsDeps {
  readonly backends: BackendRegistry;
  readonly images: Pick<ImagesService, 'stateOf' | 'canFetch' | 'fetchAnew' | 'keptOldOf'>;
  readonly platforms: Pick<PlatformsService, 'problemOf'>;
  readonly runners: Pick<RunnersService, 'running'>;
  readonly userLimits: Pick<UserLimitsService, 'setFor'>;
}

export function backendViews(deps: BackendsDeps): readonly AdminBackendView[] {
  const counts = new Map<string, number>();
  for (const { agent } of deps.runners.running()) counts.set(agent.backend, (counts.get(agent.backend) ?? 0) + 1);
  return deps.backends.all().map((backend) => backendView(deps, backend, counts.get(backend.name) ?? 0));
}

function backendView(
  { images, platforms, userLimits }: BackendsDeps,
  backend: Backend,
  runners: number,
): AdminBackendView {
  const { name, displayName, driver, disabled, image } = backend;
  const imageState = images.stateOf(backend);
  const { backends: allowed } = userLimits.setFor(EVERYBODY);
  const silent = platforms.problemOf(driver)?.message;
  const failed = imageState?.state === 'failed' ? imageState.message : undefined;
  const problem = silent ?? failed;
  const keptOld = images.keptOldOf(backend);
  const percent = imageState?.state === 'pulling' ? imageState.percent : undefined;
  return {
    ...{ name, displayName, driver, isDisabled: disabled },
    ...(image !== undefined && { image }),
    ...(imageState && {
      imageState: {
        state: imageState.state,
        ...(imageState.state === 'pulling' && { message: imageState.message }),
        ...(percent !== undefined && { percent }),
      },
    }),
    ...(keptOld !== undefined && { keptOld }),
    canFetch: silent === undefined && images.canFetch(backend),
    ...(problem !== undefined && { problem }),
    runners,
    isForAll: allowed?.includes(name) ?? true,
  };
}
