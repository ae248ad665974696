/**
 * Runs the programs that people use with `/v1`, as installed from npm, against a router with `demo`, `direct` and a
 * scripted LLM, and writes the results into `docs/clients.md`.
 *
 *     bun run test:clients [name of a program …]
 *
 * Packages are installed into a folder outside of the repository: `CLIENTS_CACHE`, or a folder in the user's cache.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type RouterProcess, startRouterProcess } from '../support/process';
import { PROGRAMS, type Program, type Run } from './programs';
import { type ClientsUpstream, type Refused, startClientsUpstream } from './upstream';

const ROOT = join(import.meta.dir, '../..');
const DOCS = join(ROOT, 'docs/clients.md');
const CACHE = process.env.CLIENTS_CACHE ?? join(homedir(), '.cache/agent-stack/clients');
const COLD_MS = 14_000;
/** Longer than any program keeps retrying. */
const RUN_MS = 120_000;

interface Bench {
  readonly router: RouterProcess;
  readonly upstream: ClientsUpstream;
  readonly admin: Browser;
  readonly key: string;
  readonly folder: string;
}

interface Ended {
  readonly output: string;
  readonly code: number | null;
  /** Number of chats that the LLM was asked for. */
  readonly asked: number;
  readonly seconds: number;
}

/** A cell of the table; `isFault` if the result is wrong. */
interface Cell {
  readonly text: string;
  readonly isFault: boolean;
}

const fine = (text = 'yes'): Cell => ({ text, isFault: false });
const fault = (text: string): Cell => ({ text, isFault: true });

const agent = (name: string, file: string, more: object = {}) => ({
  ...{ name, driver: 'process', trusted: true, history: 'last-turn' },
  cmd: [process.execPath, join(ROOT, 'backends', file, 'main.ts')],
  headers: { 'X-Agent-Session': '${'.concat('conversation}') },
  ...more,
});
const LLM = { user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'], context_window: 128_000 };
const slowly = `await Bun.sleep(${COLD_MS}); await import(${JSON.stringify(join(ROOT, 'backends/direct/main.ts'))});`;
const BACKENDS = [
  agent('demo', 'demo'),
  agent('direct', 'direct', LLM),
  agent('slow', 'direct', { ...LLM, cmd: [process.execPath, '-e', slowly] }),
  agent('broken', 'direct', { cmd: [process.execPath, '-e', 'console.error("no such model"); process.exit(3)'] }),
];

/** `words`: the reason, in the LLM's words or in the program's own. */
const REFUSED: Readonly<Record<string, Refused & { readonly words: RegExp }>> = {
  '429, Retry-After 1': {
    ...{ status: 429, headers: { 'retry-after': '1' }, words: /slow down|429|rate limit|too many requests/i },
    error: { message: 'Slow down.', type: 'requests', param: null, code: 'rate_limit_exceeded' },
  },
  '429, quota': {
    ...{ status: 429, words: /no credit|quota/i },
    error: { message: 'You have no credit.', type: 'insufficient_quota', param: null, code: 'insufficient_quota' },
  },
  '400, context, late': {
    ...{ status: 400, afterMs: 4_000, words: /too long|context/i },
    error: {
      ...{ message: 'Your input is too long.', type: 'invalid_request_error' },
      ...{ param: 'messages', code: 'context_length_exceeded' },
    },
  },
};

/** The columns of the table. */
const TESTS: Readonly<Record<string, (bench: Bench, program: Program) => Promise<Cell>>> = {
  'chat, Demo': async (bench, program) => {
    const { output, code } = await run(bench, program, { model: 'demo', prompt: 'What is agent-stack? QUESTION-1' });
    return code === 0 && /agent/i.test(output) ? fine() : fault(told(output));
  },
  'chat, Direct': async (bench, program) => says(await run(bench, program, {}), 'ANSWER-TO 1'),
  turns: async (bench, program) => {
    await run(bench, program, {});
    return says(await run(bench, program, { prompt: 'And this? QUESTION-2', goesOn: true }), 'ANSWER-TO 1 2');
  },
  tools: async (bench, program) => {
    const proof = join(bench.folder, `proof-${crypto.randomUUID()}`);
    bench.upstream.command = `touch ${proof} && echo harmless`;
    const ended = await run(bench, program, { prompt: 'CALL-SHELL QUESTION-1' });
    if (!existsSync(proof)) return fault(`not run: ${told(ended.output)}`);
    return /TOOL-SAID|harmless/.test(ended.output) ? fine() : fault(told(ended.output));
  },
  'MCP tool': async (bench, program) => {
    if (!program.name.includes('MCP')) return fine('–');
    const ended = await run(bench, program, { prompt: 'CALL-PROBE QUESTION-1' });
    return says(ended, 'PROBED harmless');
  },
  'cold start of 14 s': async (bench, program) => {
    const stopped = await bench.admin.request('/api/runners/slow', { method: 'DELETE' });
    if (!stopped.ok) throw new Error(await stopped.text());
    return says(await run(bench, program, { model: 'slow' }), 'ANSWER-TO 1');
  },
  'wrong key': async (bench, program) =>
    refused(await run(bench, program, { key: 'sk-as-wrong' }), /not valid|revoked|401|api key/i),
  'no such model': async (bench, program) =>
    refused(await run(bench, program, { model: 'nobody' }), /nobody|404|no agent/i),
  ...Object.fromEntries(
    Object.entries(REFUSED).map(([name, answer]) => [
      name,
      async (bench: Bench, program: Program) => {
        bench.upstream.refused = answer;
        return refused(await run(bench, program, {}), answer.words);
      },
    ]),
  ),
  'start that fails': async (bench, program) =>
    refused(await run(bench, program, { model: 'broken' }), /no such model|could not start/),
};

function says({ output, code }: Ended, words: string): Cell {
  return code === 0 && output.includes(words) ? fine() : fault(told(output));
}

/** Whether the reason is shown, after how many minutes, and the number of requests to the LLM. */
function refused({ output, asked, seconds, code }: Ended, words: RegExp): Cell {
  // Less depends on the machine more than on the program.
  const after = seconds < 30 ? '' : ` after ${Math.max(1, Math.round(seconds / 60))} min`;
  const how = `${after}${asked === 0 ? '' : `, LLM asked ${asked}×`}`;
  // Some programs retry without end.
  if (code === null) return fine(`still trying${how}`);
  return words.test(output) ? fine(`told${how}`) : fine(`not told${how}`);
}

function told(output: string): string {
  const line = output.trim().split('\n').filter(Boolean).slice(-3).join(' ');
  return Bun.stripANSI(line).replaceAll('|', '/').slice(-160);
}

async function run(bench: Bench, program: Program, more: Partial<Run>): Promise<Ended> {
  const folder = join(bench.folder, program.name.replaceAll(' ', '-'));
  const home = join(folder, 'home');
  const project = join(folder, 'project');
  await mkdir(home, { recursive: true });
  await mkdir(project, { recursive: true });
  const asked: Run = {
    ...{ url: `${bench.router.url}/v1`, key: bench.key, model: 'direct', prompt: 'Who are you? QUESTION-1' },
    ...{ goesOn: false, home, project, ...more },
  };
  const args = await program.prepare(asked);
  const before = bench.upstream.count;
  const startedMs = performance.now();
  const child = Bun.spawn([binOf(program), ...args], {
    cwd: project,
    // A process group of its own, so that processes of the program end with it.
    detached: true,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    env: {
      ...{ PATH: process.env.PATH ?? '', HOME: home, LANG: 'C.UTF-8', NO_COLOR: '1', CI: '1' },
      ...{ AGENT_STACK_KEY: asked.key, ...program.env?.(asked) },
    },
  });
  const timer = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), RUN_MS);
  const texts = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  await child.exited;
  clearTimeout(timer);
  const written = join(project, 'output.json');
  const file = existsSync(written) ? await readFile(written, 'utf8') : '';
  await rm(written, { force: true });
  const seconds = (performance.now() - startedMs) / 1000;
  const code = child.signalCode === null ? child.exitCode : null;
  return { output: `${texts.join('\n')}\n${file}`, code, asked: bench.upstream.count - before, seconds };
}

function folderOf({ package: name, version }: Program): string {
  return join(CACHE, `${name.replaceAll(/[@/]/g, '_')}-${version}`);
}

function binOf(program: Program): string {
  return join(folderOf(program), 'node_modules', '.bin', program.bin);
}

async function install(program: Program): Promise<void> {
  if (existsSync(binOf(program))) return;
  const folder = folderOf(program);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{"private":true}');
  const spec = `${program.package}@${program.version}`;
  const command = ['npm', 'install', '--no-audit', '--no-fund', '--save-exact', spec];
  const child = Bun.spawn(command, { cwd: folder, stdout: 'ignore', stderr: 'inherit' });
  if ((await child.exited) !== 0) throw new Error(`${spec} could not be installed`);
}

async function prepared(folder: string): Promise<AsyncDisposable & Bench> {
  const router = await startRouterProcess({ backends: BACKENDS });
  const upstream = startClientsUpstream();
  const admin = await router.signIn();
  const values = { LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key, LLM_MODEL: 'scripted' };
  await admin.request('/api/me/env-overrides', { method: 'PUT', body: { values, backend: '' } });
  return {
    ...{ router, upstream, admin, folder, key: await admin.createKey() },
    async [Symbol.asyncDispose]() {
      await router[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;

/** A row for each program; for programs that were not run now, the existing row of the document. */
function tableOf(results: ReadonlyMap<string, ReadonlyMap<string, Cell>>, before: string): string {
  const columns = Object.keys(TESTS);
  const rows = PROGRAMS.flatMap(({ name, version }) => {
    const title = `${name} ${version}`;
    const cells = results.get(title);
    if (cells) return [line([title, ...columns.map((column) => cells.get(column)?.text ?? '–')])];
    return before.split('\n').filter((row) => row.startsWith(`| ${title} |`));
  });
  return [line(['', ...columns]), line(['---', ...columns.map(() => '---')]), ...rows].join('\n');
}

async function writeTable(results: ReadonlyMap<string, ReadonlyMap<string, Cell>>): Promise<void> {
  const [begin, end] = ['<!-- test:clients -->', '<!-- /test:clients -->'];
  const text = await readFile(DOCS, 'utf8');
  const [before, rest] = text.split(begin);
  const [table, after] = rest?.split(end) ?? [];
  if (before === undefined || table === undefined || after === undefined)
    throw new Error(`${DOCS} has no place for the table`);
  await writeFile(DOCS, `${before}${begin}\n\n${tableOf(results, table)}\n\n${end}${after}`);
}

const wanted = process.argv.slice(2);
const programs = PROGRAMS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
for (const program of programs) await install(program);
const folder = await mkdtemp(join(tmpdir(), 'agent-stack-clients-'));
const results = new Map<string, ReadonlyMap<string, Cell>>();
let faults = 0;
try {
  await using bench = await prepared(folder);
  for (const program of programs) {
    const cells = new Map<string, Cell>();
    results.set(`${program.name} ${program.version}`, cells);
    for (const [row, test] of Object.entries(TESTS)) {
      const reason = program.cannot?.[row];
      const cell = reason === undefined ? await test(bench, program) : fine(reason);
      bench.upstream.refused = undefined;
      cells.set(row, cell);
      if (cell.isFault) faults += 1;
      console.log(`${cell.isFault ? 'FAULT' : 'ok   '} ${program.name}: ${row}: ${cell.text}`);
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
await writeTable(results);
process.exit(faults === 0 ? 0 : 1);
