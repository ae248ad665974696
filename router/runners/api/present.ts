/** How the router's own API shows runners. */
import type { Backend } from '../../backends/backends';
import { runnerName } from '../start/spec';

/** The predecessor's members: the runner's name on its platform, and its port there. */
export function runnerAddress(
  installationId: string,
  backend: Pick<Backend, 'containerPrefix'> | undefined,
  { id, url }: { readonly id: string; readonly url: string },
): { container_name: string; host_port: number } {
  const name = runnerName(installationId, id);
  const prefix = backend?.containerPrefix;
  return {
    container_name: prefix === undefined ? name : `${prefix}-${name}`,
    host_port: Number(new URL(url).port),
  };
}
