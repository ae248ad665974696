/**
 * The second process of `bench.startElsewhere`, in place of a router that is killed. It creates the driver, starts one
 * runner, writes handle and url as one line of JSON, and keeps running. Its argument is JSON: the plugin's file, its
 * options, the driver's services and the runner's spec.
 */
import { Value } from '@sinclair/typebox/value';
import { createDriver } from '../create';
import type { DriverPlugin } from '../driver';

const { file, options, services, spec } = JSON.parse(process.argv[2] ?? '{}');
const { default: plugin }: { default: DriverPlugin } = await import(file);
const driver = await createDriver(plugin, Value.Decode(plugin.options, options), { ...services, log: () => {} });
const started = await driver.start(spec, { signal: new AbortController().signal, progress: () => {} });
process.stdout.write(`${JSON.stringify(started)}\n`);
setInterval(() => {}, 60_000);
