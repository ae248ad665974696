/** Images fetched before anybody needs them, with an outcome per image for `/healthz`. */
import type { StartProgress } from '../../drivers/driver';
import type { BackendRegistry } from '../backends';
import type { DriverRegistry } from '../drivers';
import { driversLog } from '../log';

export type ImagesService = ReturnType<typeof imagesService>;

export function imagesService(deps: { backends: BackendRegistry; drivers: DriverRegistry }) {
  const { backends, drivers } = deps;
  /** Image → `pulling`, `ok` or `failed: …`, the predecessor's words. */
  const status = new Map<string, string>();

  async function prepull(driverName: string, image: string, signal: AbortSignal): Promise<void> {
    const driver = drivers.find(driverName);
    if (!driver?.prepare) return;
    status.set(image, 'pulling');
    try {
      await driver.prepare(image, {
        signal,
        progress: (step: StartProgress) => status.set(image, `pulling: ${step.message}`),
      });
      status.set(image, 'ok');
      driversLog.info({ driver: driverName, image }, 'image.pulled');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      status.set(image, `failed: ${reason}`);
      driversLog.warn({ driver: driverName, image, reason }, 'image.pull_failed');
    }
  }

  return {
    status: (): Readonly<Record<string, string>> => Object.fromEntries(status),

    /** Fetches what the enabled backends need, one after another. Never throws: the outcome is in `status()`. */
    async prepullAll(signal: AbortSignal): Promise<void> {
      const enabled = backends.all().filter((backend) => !backend.disabled);
      for (const { driver, image, timeouts } of enabled) {
        if (image === undefined || status.has(image) || signal.aborted) continue;
        await prepull(driver, image, AbortSignal.any([signal, AbortSignal.timeout(timeouts.pullMs)]));
      }
    },
  };
}
