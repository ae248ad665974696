/** Sends requests to a runner as the router does: each request follows the entry of `backends.json`. */

/** The members of an entry of `backends.json` that the suite reads. `backends/README.md` documents each member. */
export interface Entry {
  readonly name: string;
  readonly cmd?: readonly string[];
  readonly health_path?: string;
  readonly ready_path?: string;
  readonly api_key_header?: string;
  readonly api_key_scheme?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly session_body?: Readonly<Record<string, string>>;
  readonly model?: string;
  readonly omit_body?: readonly string[];
  readonly user_overridable_env?: readonly string[];
  readonly stream_lacks_role?: boolean;
}

export interface Asked {
  readonly url: string;
  readonly accessKey: string;
}

interface AskOptions {
  /** Id of the conversation to which the message belongs. Default: a new one. */
  readonly session?: string;
  readonly stream?: boolean;
  readonly signal?: AbortSignal;
}

export const pathsOf = ({ health_path = '/healthz', ready_path = '/v1/models' }: Entry) => ({
  health_path,
  ready_path,
});

/**
 * Whether requests tell the agent the conversation of a message (by a header or a body member), so that the agent keeps
 * the history.
 */
export function hasSessions({ headers = {}, session_body = {} }: Entry): boolean {
  return Object.keys(headers).length + Object.keys(session_body).length > 0;
}

export function accessHeaders(entry: Entry, key: string): Record<string, string> {
  const { api_key_header: name = 'authorization', api_key_scheme: scheme = 'Bearer' } = entry;
  return { [name.toLowerCase()]: scheme === '' ? key : `${scheme} ${key}` };
}

/** Sends `POST /v1/chat/completions` with one user message. */
export function ask(
  entry: Entry,
  { url, accessKey }: Asked,
  content: string,
  options: AskOptions = {},
): Promise<Response> {
  const { session = crypto.randomUUID().replaceAll('-', ''), stream = false, signal } = options;
  const body: Record<string, unknown> = {
    model: entry.model ?? entry.name,
    messages: [{ role: 'user', content }],
    stream,
    ...named(entry.session_body, session),
  };
  for (const member of entry.omit_body ?? []) delete body[member];
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      ...accessHeaders(entry, accessKey),
      'content-type': 'application/json',
      ...named(entry.headers, session),
    },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
}

function named(values: Readonly<Record<string, string>> = {}, session: string): Record<string, string> {
  const put = (value: string) =>
    value.replaceAll(/\$\{(?:conversation|session)\}/g, session).replaceAll(/\$\{\w+\}/g, 'x');
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, put(value)]));
}

/** Returns the text of an answer that was not streamed. Throws an error with status and body when the request failed. */
export async function textOf(response: Response): Promise<string> {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status}: ${text}`);
  return JSON.parse(text).choices[0].message.content;
}

/** Yields the data of each server-sent event, unparsed. */
export async function* eventsOf(response: Response): AsyncGenerator<string, void> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    rest += decoder.decode(bytes, { stream: true });
    const blocks = rest.split(/\r\n\r\n|\n\n|\r\r/);
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = block.split(/\r\n|\n|\r/).flatMap((line) => /^data: ?(.*)$/.exec(line)?.[1] ?? []);
      if (data.length > 0) yield data.join('\n');
    }
  }
}
