import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { tmpdir } from 'node:os';
import { Value } from '@sinclair/typebox/value';
import plugin from '../../drivers/docker';
import { removeInstallation, requireEngine } from '../support/engine';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const isThere = await requireEngine('the networks of the docker driver');

describe.skipIf(!isThere)('the networks of the docker driver', () => {
  test('processes of one installation that want its network at the same moment make one', async () => {
    const options = Value.Default(plugin.backendOptions, {}) as Record<string, never>;
    for (const round of [1, 2, 3]) {
      const installationId = `networks-${round}-${Date.now()}`;
      const services = { installationId, installationLabel: 'agent-stack.installation', stateDir: tmpdir(), log() {} };
      const drivers = await Promise.all(Array.from({ length: 4 }, () => plugin.create({}, services)));
      try {
        const signal = AbortSignal.timeout(30_000);
        const found = await Promise.all(drivers.map((one) => one.routerAddress(18080, signal, { options })));
        expect(new Set(found.map(({ url }) => url)).size).toBe(1);
      } finally {
        for (const driver of drivers) await driver[Symbol.asyncDispose]?.();
        await removeInstallation(installationId);
      }
    }
  }, 60_000);
});
