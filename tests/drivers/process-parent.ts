/** A router in small, to be killed: starts the runner of the spec in its first argument and says its handle. */
import process_ from '../../drivers/process/index';

const { spec, services } = JSON.parse(process.argv[2] ?? '{}');
const driver = await process_.create({}, { ...services, log: () => {} });
const started = await driver.start(spec, { signal: new AbortController().signal, progress: () => {} });
process.stdout.write(`${JSON.stringify(started)}\n`);
setInterval(() => {}, 60_000);
