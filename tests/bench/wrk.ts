/** Drives one proxy with requests that are not streamed, through wrk. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OTHER_CPU, onCpu, track } from './processes';
import { CHAT_PATH, chatBody } from './script';
import type { Subject } from './subjects';

const SCRIPT = join(import.meta.dir, 'wrk.lua');
/** So many for each connection that the turn of one comes long after its answer has been stored. */
const CONVERSATIONS_PER_CONNECTION = 4;

interface WrkResult {
  readonly requests: number;
  readonly durationUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly failures: number;
}

/** Installs wrk on Debian as root. Throws what to do where it is missing still. */
export async function requireWrk(): Promise<void> {
  if (Bun.which('wrk')) return;
  if (existsSync('/etc/debian_version') && process.getuid?.() === 0) {
    const install = 'apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk';
    await Bun.spawn(['sh', '-c', install], { stdio: ['ignore', 'ignore', 'inherit'] }).exited;
  }
  if (!Bun.which('wrk'))
    throw new Error('The bench needs wrk. On Debian: apt-get install wrk. On macOS: brew install wrk.');
}

/** Sends short requests over `connections` connections for whole seconds, each as soon as the one before is answered. */
export async function runWrk(subject: Subject, connections: number, seconds: number): Promise<WrkResult> {
  const conversations = (await subject.conversations?.(connections * CONVERSATIONS_PER_CONNECTION)) ?? [];
  const headers = { 'content-type': 'application/json', ...subject.headers };
  const wrk = track(
    Bun.spawn(
      onCpu(OTHER_CPU, [
        ...[
          'wrk',
          '--threads=1',
          `--connections=${connections}`,
          `--duration=${seconds}s`,
          '--timeout=10s',
          '--latency',
        ],
        ...['--script', SCRIPT, `http://127.0.0.1:${subject.port}${CHAT_PATH}`],
      ]),
      {
        env: {
          PATH: process.env.PATH ?? '',
          BENCH_BODY: chatBody(),
          BENCH_HEADERS: Object.entries(headers)
            .map(([name, value]) => `${name}: ${value}\n`)
            .join(''),
          BENCH_CONVERSATIONS: conversations.join(' '),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    ),
  );
  const [printed, said] = await Promise.all([new Response(wrk.stdout).text(), new Response(wrk.stderr).text()]);
  const line = printed.split('\n').findLast((one) => one.startsWith('{'));
  if (line === undefined) throw new Error(`wrk gave no result: ${said}${printed}`);
  return JSON.parse(line) as WrkResult;
}
