/**
 * The runner of the conformance suite: answers HTTP, writes a file in its home, and writes output or exits on request.
 *
 * The suite copies this one file into a home, so the file imports only `node:` modules and runs under Bun and Node.
 * A driver that runs no commands calls `answer` from its own code.
 */
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { isMainThread } from 'node:worker_threads';

/** The runner as `answer` sees it. */
export interface ConformanceRunner {
  readonly id: string;
  /** Path of the home inside the runner. */
  readonly home: string;
  say(line: string): void;
  exit(code: number): void;
  /** Starts a child process, as an agent with a shell does. Absent: the platform has no processes. */
  child?(): void;
}

/** Answers one request of the suite. An unknown path is 404, so that the suite notices a url that leads to another server. */
export async function answer(url: URL, runner: ConformanceRunner): Promise<{ status: number; text: string }> {
  const ok = (text: string) => ({ status: 200, text });
  const file = `${runner.home}/written.txt`;
  const argument = url.searchParams.get('value') ?? '';
  switch (url.pathname) {
    case '/id':
      return ok(runner.id);
    case '/write':
      await writeFile(file, argument);
      return ok('written');
    case '/read':
      return ok(await readFile(file, 'utf8').catch(() => ''));
    case '/say':
      runner.say(argument);
      return ok('said');
    case '/fetch':
      return ok(
        await fetch(argument)
          .then((response) => response.text())
          .catch(String),
      );
    case '/stubborn':
      // A signal handler in a worker thread would apply to the whole process.
      if (isMainThread) process.on('SIGTERM', () => runner.say('SIGTERM ignored'));
      return ok('stubborn');
    case '/child':
      runner.child?.();
      return ok('started');
    case '/exit':
      runner.exit(Number(argument));
      return ok('exiting');
    default:
      return { status: 404, text: 'not found' };
  }
}

const { CONFORMANCE_ID: id, CONFORMANCE_HOME: home, CONFORMANCE_PORT, PORT, HOST } = process.env;
if (id !== undefined && home !== undefined) {
  const runner: ConformanceRunner = {
    id,
    home,
    say: (line) => process.stdout.write(`${line}\n`),
    // 20 ms, so that the answer is sent first. The suite also accepts an answer that breaks off.
    exit: (code) => setTimeout(() => process.exit(code), 20),
    child: () => void spawn(process.execPath, ['-e', 'setTimeout(() => {}, 600_000)'], { stdio: 'ignore' }),
  };
  createServer(async (request, response) => {
    const { status, text } = await answer(new URL(request.url ?? '/', 'http://runner'), runner);
    response.writeHead(status).end(text);
  }).listen(Number(PORT ?? CONFORMANCE_PORT), HOST ?? '0.0.0.0');
}
