/** The answers of the demo agent about the product, chosen by key words. No language model is involved. */
import { type Message, textOf } from '../shared/openai';

interface Topic {
  readonly words: RegExp;
  readonly text: string;
}

const OFFLINE =
  '*I am the offline demo: no language model is behind this answer, only key words. Say `help` to see what I know.*';

const HELP = `I am **demo**, an offline agent. I stream, I remember this conversation in my home, and I can misbehave on request.

Ask me *what agent-stack is*, *where the keys are*, *how to connect a client*, *how to write a driver*,
*how to add a backend*, *what a runner is*, or *what you just said*.

Attach pictures and texts, and I say what came. A message that **starts** with one of these words follows a script:

| Word | What happens |
|---|---|
| \`slow [text]\` | a word every 150 ms |
| \`long [n]\` | n paragraphs (40), as fast as they are read |
| \`echo <text>\` | the text |
| \`unicode\` | characters of many bytes |
| \`markdown\` | everything Markdown can do |
| \`math\` | formulas, in lines and on lines of their own |
| \`footnotes\` | notes, a list of tasks, and a diagram as its source |
| \`code [n]\`, \`list [n]\`, \`table [n]\` | n lines (60) of one block, one every 40 ms |
| \`image\` | a picture in the answer |
| \`think [text]\` | reasoning, then an answer |
| \`tools [n]\` | reasoning, n tools (2) at work of which every tenth fails, then an answer |
| \`remind [seconds] [text]\` | a notice, and a message without being asked when the time (10) is over |
| \`silent [seconds]\` | nothing for so long (20), then a short answer |
| \`length [text]\` | an answer that the limit of tokens cuts; \`length call\` a call of a tool |
| \`filter\` | an answer that a content filter cuts |
| \`continue\` | the rest of a cut answer |
| \`fail\` | HTTP 500 before the answer begins |
| \`error\` | an error event in the middle, then \`[DONE]\` |
| \`break\` | the connection is cut in the middle |
| \`crash\` | the process exits with code 3 in the middle |
`;

const TOPICS: readonly Topic[] = [
  { words: /\bhelp\b|what can you do|commands?\b/i, text: HELP },
  {
    words: /\bkeys?\b|secret|credential|broker|token|safe|secur/i,
    text: `## Where the keys are

The real key of the LLM API **never leaves the router**. A runner gets two variables:

| Variable | Holds |
|---|---|
| \`LLM_BASE_URL\` | the address of the router's own *broker* |
| \`LLM_API_KEY\` | a key that works only for that broker, and only while the runner runs |

When the agent calls its model, the broker swaps the runner's key for the real one and passes the call on. An agent that
prints everything that it knows reveals no key, and a changed key applies to the next call, without a restart.`,
  },
  {
    words: /\bdrivers?\b|docker|swarm|kubernetes|podman/i,
    text: `## Writing a driver

A driver determines *how* runners are hosted; the router decides *when*. It is one folder, \`drivers/<name>/\`, with one
default export:

\`\`\`ts
export default defineDriver({
  name: 'mine',
  summary: 'Runs agents on my platform.',
  isolates: true,
  options: Type.Object({}, { additionalProperties: false }),
  backendOptions: Type.Object({}, { additionalProperties: false }),
  create: (options, services) => createDriver(options, services),
});
\`\`\`

1. Read \`drivers/README.md\`: it builds a small driver from nothing.
2. Write \`start\`, \`stop\`, \`inspect\`, \`list\`, \`ping\` and \`routerAddress\`.
3. Run the conformance suite against it. It tells you which rule you broke.`,
  },
  {
    words: /\bbackends?\b|add an? agent|own agent/i,
    text: `## Adding a backend

A backend is a kind of agent software: an entry in \`backends.json\` and, if it needs files to start from, a seed in
\`seeds/<name>-home/\`. The software has to

- listen on \`PORT\`,
- answer its health path,
- require an access key,
- speak \`POST /v1/chat/completions\`.

\`backends/README.md\` has the whole of it on one page, and \`backends/direct/\` is a complete agent to copy.`,
  },
  {
    words: /\bconnect|client|openai|sdk|\bapi\b|curl|python/i,
    text: `## Connecting an OpenAI client

Create a key in **Settings**, then point any OpenAI client at \`/v1\`. The model is the name of a backend.

\`\`\`python
from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:18000/v1", api_key="<your key>")
answer = client.chat.completions.create(
    model="demo",
    messages=[{"role": "user", "content": "Hello"}],
    stream=True,
)
for chunk in answer:
    print(chunk.choices[0].delta.content or "", end="")
\`\`\`

The first message may wait for a runner to start; the stream stays open meanwhile.`,
  },
  {
    words: /\brunners?\b|idle|cold start|how does it work|\bhome\b/i,
    text: `## Runners

> A runner is the live execution of one agent.

1. Your first message starts it.
2. It answers for as long as there is work:
   - your messages,
   - its own calls to the model,
   - anything it does in the background.
3. Idle for a while, it is stopped.
4. Your next message starts it again, and its **home** still holds what it knew.`,
  },
  {
    words: /agent-?stack|what is this|\bproduct\b|about|router/i,
    text: `## What agent-stack is

One process that puts **many agent runtimes behind one door**:

- every user gets a runner of their own per agent, started on demand and stopped when idle;
- people use it in the browser, programs through OpenAI's API;
- LLM keys stay in the router;
- an answer survives a closed tab, a lost network and a restart of the router.`,
  },
  { words: /\bthank|\bthx\b/i, text: 'You are welcome!' },
  { words: /\b(bye|goodbye)\b/i, text: 'Goodbye! What we said stays in my home.' },
];

const RECALL = /what did i (just )?(say|write|ask)|what (did|have) we (say|talk|said)|do you remember|was said before/i;
const GREETING = /^(hi|hello|hey|good (morning|afternoon|evening)|hallo|hola|bonjour|你好|您好)(?![a-z])/i;

/** Returns the answer to the message `asked`, as Markdown. `messages` is the conversation up to and including that message. */
export function answerTo(asked: string, messages: readonly Message[]): string {
  if (RECALL.test(asked)) return recall(messages);
  const topic = TOPICS.find(({ words }) => words.test(asked));
  if (topic) return `${topic.text}\n\n${OFFLINE}`;
  if (GREETING.test(asked)) return greeting();
  return `You said: “${quote(asked)}”. I have no answer to that.\n\n${OFFLINE}`;
}

function greeting(): string {
  const name = process.env.AGENT_USER_NAME;
  return `Hello${name ? ` ${name}` : ''}! Ask me what agent-stack is, or say \`help\`.\n\n${OFFLINE}`;
}

function recall(messages: readonly Message[]): string {
  const before = messages.filter((message) => message.role === 'user').slice(0, -1);
  const last = before.at(-1);
  if (!last) return `Nothing before this: it is the first thing I hear from you.\n\n${OFFLINE}`;
  const earlier = before.slice(-6, -1).map((message) => `- “${quote(textOf(message.content))}”`);
  const list = earlier.length > 0 ? `\n\nBefore that:\n\n${earlier.join('\n')}` : '';
  return `You just said: “${quote(textOf(last.content))}”.${list}`;
}

function quote(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
