import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { type Conformance, conformDriver } from '../../drivers/conformance';
import { createBench } from '../../drivers/conformance/bench';
import { answer } from '../../drivers/conformance/runner';
import memory, { memoryPlatform, registerProgram } from '../../drivers/memory/index';

registerProgram('conformance', (spec, runtime) => async (request) => {
  const runner = { id: spec.id, home: spec.home.target, say: runtime.say, exit: runtime.exit };
  const { status, text } = await answer(new URL(request.url), runner);
  return new Response(text, { status });
});

const target: Conformance = {
  plugin: memory,
  file: import.meta.resolve('../../drivers/memory/index'),
  endsWithRouter: 'its runners are functions of the process that started them',
  available: () => true,
};
await conformDriver({
  ...target,
  backendOptions: { program: 'conformance' },
  broken: { options: { program: 'never-registered' } },
  image: 'memory:latest',
});

const bench = await createBench(target);
const platform = memoryPlatform(bench.installationId);
const driver = await bench.create();
const second = () => AbortSignal.timeout(5_000);
afterEach(() => platform.reset());
afterAll(() => bench.dispose());

describe('the default program', () => {
  const ask = async (stream: boolean) => {
    const { url } = await driver.start(await bench.spec(), bench.context());
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await (await fetch(`${url}/v1/models`)).json()).data[0].id).toBe('echo');
    const body = JSON.stringify({ model: 'any', stream, messages: [{ role: 'user', content: 'grüß dich 你好' }] });
    return fetch(`${url}/v1/chat/completions`, { method: 'POST', body });
  };

  test('repeats the last message', async () => {
    const completion = await (await ask(false)).json();
    expect(completion.choices[0].message.content).toBe('grüß dich 你好');
  });

  test('repeats it as a stream of chunks that ends in [DONE]', async () => {
    const response = await ask(true);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const events = (await response.text()).trimEnd().split('\n\n');
    expect(events.pop()).toBe('data: [DONE]');
    const deltas = events.map((event) => JSON.parse(event.slice('data: '.length)).choices[0].delta.content ?? '');
    expect(deltas.join('')).toBe('grüß dich 你好');
  });
});

describe('a test can play what a platform does', () => {
  test('a crash cuts open answers, and its exit code is reported', async () => {
    const unregister = registerProgram(
      'silent',
      () => () => new Response(new ReadableStream({ start: (stream) => stream.enqueue('half an') })),
    );
    const spec = await bench.spec({ options: { program: 'silent' } });
    const { handle, url } = await driver.start(spec, bench.context());
    const response = await fetch(url);
    platform.say(spec.id, 'out of memory');
    platform.crash(spec.id, { exitCode: 137, outOfMemory: true });
    expect(await response.text().catch(() => 'cut')).toBe('cut');
    expect(await driver.inspect(handle, second())).toEqual({ state: 'exited', exitCode: 137, outOfMemory: true });
    expect(await driver.logs?.(handle, { tailLines: 5, signal: second() })).toEqual(['out of memory']);
    unregister();
  });

  test('a runner that vanishes is gone', async () => {
    const spec = await bench.spec();
    const { handle } = await driver.start(spec, bench.context());
    platform.vanish(spec.id);
    expect(await driver.inspect(handle, second())).toEqual({ state: 'gone' });
    expect(await driver.list(second())).toEqual([]);
  });

  test('a platform that does not answer makes health unknown and everything else unavailable', async () => {
    const { handle } = await driver.start(await bench.spec(), bench.context());
    platform.available = false;
    expect((await driver.inspect(handle, second())).state).toBe('unknown');
    await expect(driver.ping(second())).rejects.toMatchObject({ fault: 'unavailable' });
    await expect(driver.stop(handle, { graceMs: 0 })).rejects.toMatchObject({ fault: 'unavailable' });
    platform.available = true;
    expect((await driver.inspect(handle, second())).state).toBe('running');
  });

  test('a held start waits, is aborted without a trace, or goes on when it is released', async () => {
    const release = platform.hold('start');
    const controller = new AbortController();
    const aborted = driver.start(await bench.spec(), bench.context(controller.signal));
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ name: 'DriverError', fault: 'timeout' });
    const started = driver.start(await bench.spec(), bench.context());
    expect(platform.runners.size).toBe(0);
    release();
    await started;
    expect(platform.runners.size).toBe(1);
    expect(platform.calls('start')).toBe(2);
  });

  test('prepare can be held, reports what it is told, and fails with the fault it is given', async () => {
    const percents: (number | undefined)[] = [];
    const context = { signal: second(), progress: (step: { percent?: number }) => void percents.push(step.percent) };
    platform.intercept('prepare', (call) => call.context?.progress({ stage: 'pull', percent: 40, message: 'Layer 2' }));
    await driver.prepare?.('image', context);
    expect(percents).toEqual([0, 40, 100]);
    const mend = platform.fail('prepare', 'image_missing');
    await expect(driver.prepare?.('image', context)).rejects.toMatchObject({ fault: 'image_missing' });
    mend();
    await driver.prepare?.('image', context);
  });
});
