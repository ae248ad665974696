/** One script of requests, sent straight to a runner: the real one or its twin of the fast tests. */
import { createParser } from 'eventsource-parser';
import type { Script, Upstream } from '../../support/upstream';
import type { Hosted } from './people';
import type { RealRuntime } from './runtimes';

export interface Served {
  readonly url: string;
  readonly key: string;
  readonly upstream: Upstream;
}

/** What an answer was like, without what differs between two answers of the same program. */
export interface Seen {
  readonly request: string;
  readonly status: number;
  readonly type: string;
  /** Names of the members of a JSON answer, or the kinds of the events of a stream in order, repeated ones once. */
  readonly parts: readonly string[];
  /** Calls of the upstream for it. */
  readonly calls: number;
}

interface Request {
  readonly name: string;
  readonly method?: string;
  readonly path: string;
  readonly body?: string;
  readonly hasNoKey?: boolean;
  readonly upstream?: readonly Script[];
}

/** Alice's container, at its own address. */
export async function realRunner(hosted: Hosted, entry: Readonly<Record<string, unknown>>): Promise<Served> {
  const { NetworkSettings, Config } = await hosted.alice.container();
  const address = Object.values(NetworkSettings.Networks)[0]?.IPAddress;
  const key = Config.Env.find((line) => line.startsWith(`${entry.api_key_env}=`))?.split('=')[1] ?? '';
  return { url: `http://${address}:${entry.internal_port}`, key, upstream: hosted.upstream };
}

function requestsFor({ callsOfFailedTurn }: RealRuntime, paths: { health: string }, shape: object): Request[] {
  const chat = (name: string, more: object, upstream: readonly Script[] = []): Request => ({
    ...{ name, method: 'POST', path: '/v1/chat/completions', upstream },
    body: JSON.stringify({ ...shape, messages: [{ role: 'user', content: 'Hello.' }], ...more }),
  });
  const broken = Array.from({ length: callsOfFailedTurn }, () => ({ status: 500, message: 'Broken.' }));
  return [
    { name: 'its health', path: paths.health },
    { name: 'its models', path: '/v1/models' },
    { name: 'its models without a key', path: '/v1/models', hasNoKey: true },
    { name: 'a chat without a key', method: 'POST', path: '/v1/chat/completions', body: '{}', hasNoKey: true },
    { name: 'a chat that is no JSON', method: 'POST', path: '/v1/chat/completions', body: '{' },
    chat('a chat without messages', { messages: [] }),
    chat('a chat', {}),
    chat('a stream', { stream: true, stream_options: { include_usage: true } }),
    chat('a chat whose upstream fails', {}, broken),
    chat('a stream whose upstream fails', { stream: true }, broken),
    chat('a chat whose upstream refuses', {}, [{ status: 400, message: 'No such model.' }]),
    chat('a stream whose upstream refuses', { stream: true }, [{ status: 400, message: 'No such model.' }]),
    chat('a chat whose upstream breaks off once', {}, [{ pieces: ['Half of it.'], end: 'error' }]),
    chat('a stream whose upstream breaks off once', { stream: true }, [{ pieces: ['Half of it.'], end: 'error' }]),
    chat('a stream whose upstream breaks off, and then fails', { stream: true }, [
      { pieces: ['Half of it.'], end: 'error' },
      ...broken,
    ]),
    { name: 'a path that is not there', path: '/v1/nothing' },
  ];
}

/** Sends the script and says what came back. */
export async function play(runtime: RealRuntime, served: Served, healthPath: string): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  for (const request of requestsFor(runtime, { health: healthPath }, runtime.directBody)) {
    served.upstream.unscript();
    served.upstream.script(...(request.upstream ?? []));
    const before = turnsOf(served);
    const answer = await fetch(`${served.url}${request.path}`, {
      method: request.method ?? 'GET',
      headers: {
        ...(request.body !== undefined && { 'content-type': 'application/json' }),
        ...(request.hasNoKey !== true && { authorization: `Bearer ${served.key}` }),
      },
      ...(request.body !== undefined && { body: request.body }),
    });
    const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
    const text = await answer.text();
    const parts = type === 'text/event-stream' ? kindsOf(text) : type.includes('json') ? membersOf(text) : [];
    seen.push({ request: request.name, status: answer.status, type, parts, calls: turnsOf(served) - before });
  }
  served.upstream.unscript();
  return seen;
}

function turnsOf({ upstream }: Served): number {
  return upstream.requests.filter(({ body }) => body.messages !== undefined).length;
}

/** Two levels are enough to tell an error from an answer. */
function membersOf(text: string): string[] {
  const body: unknown = JSON.parse(text);
  if (typeof body !== 'object' || body === null) return [];
  return Object.entries(body)
    .flatMap(([name, value]) => {
      const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value);
      return isPlain ? Object.keys(value).map((inner) => `${name}.${inner}`) : [name];
    })
    .sort();
}

function kindsOf(text: string): string[] {
  const kinds: string[] = [];
  const add = (kind: string) => kinds.at(-1) !== kind && kinds.push(kind);
  const parser = createParser({
    onEvent({ event, data }) {
      if (event !== undefined) return add(event);
      if (data === '[DONE]') return add('[DONE]');
      const body = JSON.parse(data);
      const [choice] = body.choices ?? [];
      if (choice?.delta?.role) add('role');
      if (choice?.delta?.content) add('text');
      if (choice?.finish_reason) add(`finish ${choice.finish_reason}`);
      if (body.error) add('error');
      if (body.usage) add('usage');
    },
  });
  parser.feed(text);
  return kinds;
}
