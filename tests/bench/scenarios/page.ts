/** What the page's stream carries and costs while an answer grows in it, by what the answer is made of. */
import { renderMarkdown } from '../../../views/markdown';
import { cpuMs } from '../processes';
import type { RouterUnderTest } from '../router';
import { alternate, plain, type Scenario } from '../scenario';
import { ROUTER } from '../subjects';
import { TEXTS, type TextKind } from '../texts';

export const PAGE = 'page';
/** The most live streams that one user may have (`LIVE_STREAMS_PER_USER_MAX`), and a conversation has one user. */
const WATCHERS_MAX = 12;
const PACE_MS = 20;
/** So far apart, each report of a call is told by itself (router/chat/live/pace.ts). */
const CALLS_PACE_MS = 220;
/** So long without a byte after the runner has ended, and the stream has told everything. */
const QUIET_MS = 300;
const POLL_MS = 50;
const MOST_MS = 75_000;

interface Load {
  readonly kind: TextKind;
  readonly watchers: number;
}

export const page: Scenario = {
  name: 'page',
  tables: [
    {
      name: PAGE,
      title: "The page's stream",
      load: 'text and watchers',
      note: `An answer of 4 KB that comes in pieces of 16 characters every ${PACE_MS} ms, in a conversation that nobody, one page or ${WATCHERS_MAX} pages watch: more streams one user may not have. Or calls of which there are only the names, which begin and end ${CALLS_PACE_MS} ms apart. Bytes are those of one page's stream, against the HTML of the text, or of the answer with its calls.`,
      columns: [
        plain('bytes/final HTML', 'bytesRatio', 1),
        plain('KB on the wire', 'wireKb', 1),
        plain('CPU ms/KB of text', 'cpuPerKb', 2),
      ],
    },
  ],
  async run(bench) {
    const { options, rig } = bench;
    const kinds: readonly TextKind[] = options.isQuick ? ['table'] : ['prose', 'code', 'table', 'list'];
    const watchers = options.isQuick ? [1] : [0, 1, WATCHERS_MAX];
    const router = rig.subjects.filter(({ name }) => name === ROUTER);
    await alternate<Load>(bench, {
      table: PAGE,
      loads: [
        ...kinds.flatMap((kind) => watchers.map((watchers) => ({ kind, watchers }))),
        { kind: 'calls', watchers: 1 },
      ],
      subjects: () => router,
      nameOf: ({ kind, watchers }) => `${kind}, ${watchers}`,
      measure: async (_, load) => measure(rig.router, load),
      mostMs: MOST_MS,
    });
  },
};

async function measure(router: RouterUnderTest, { kind, watchers }: Load) {
  const { pid } = router.server;
  const text = TEXTS[kind];
  const beforeMs = cpuMs(pid);
  const paceMs = kind === 'calls' ? CALLS_PACE_MS : PACE_MS;
  const id = await router.askInPage({ chunks: 0, paceMs, chunkBytes: 0, text: kind });
  const pages = await Promise.all(Array.from({ length: watchers }, () => watch(router, id)));
  await answered(router, pages);
  const usedMs = cpuMs(pid) - beforeMs;
  for (const { socket } of pages) socket.terminate();
  const bytes = pages.length === 0 ? Number.NaN : pages.reduce((sum, one) => sum + one.bytes, 0) / pages.length;
  return {
    bytesRatio: bytes / Buffer.byteLength(kind === 'calls' ? await answerIn(router, id) : renderMarkdown(text)),
    wireKb: bytes / 1e3,
    cpuPerKb: kind === 'calls' ? Number.NaN : usedMs / (text.length / 1e3),
  };
}

async function pageOf({ server, cookie }: Pick<RouterUnderTest, 'server' | 'cookie'>, id: string): Promise<string> {
  return (await fetch(`${server.url}/conversations/${id}`, { headers: { cookie } })).text();
}

/** The answer as a reload shows it. */
async function answerIn(router: RouterUnderTest, conversationId: string): Promise<string> {
  return /<article [^>]*class="message answer".*?<\/article>/s.exec(await pageOf(router, conversationId))?.[0] ?? '';
}

interface Watcher {
  readonly socket: { terminate(): void };
  bytes: number;
}

/** A page that is open on the conversation; counts all that its stream brings, which begins where the page ends. */
export async function watch({ server, cookie }: RouterUnderTest, conversationId: string): Promise<Watcher> {
  const counted = { bytes: 0 };
  const html = await pageOf({ server, cookie }, conversationId);
  const path = /hx-sse:connect="([^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&') ?? '';
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port: server.port,
    socket: {
      data: (_, bytes) => {
        counted.bytes += bytes.length;
      },
      error: () => undefined,
    },
  });
  socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\ncookie: ${cookie}\r\n\r\n`);
  return Object.assign(counted, { socket });
}

/** Resolves when the runner has sent everything and the pages have been told. */
async function answered(router: RouterUnderTest, pages: readonly Watcher[]): Promise<void> {
  const all = () => pages.reduce((sum, { bytes }) => sum + bytes, 0);
  while ((await router.runnerStats()).open === 0) await Bun.sleep(POLL_MS);
  while ((await router.runnerStats()).open > 0) await Bun.sleep(POLL_MS);
  for (let seen = -1; seen !== all(); ) {
    seen = all();
    await Bun.sleep(QUIET_MS);
  }
}
