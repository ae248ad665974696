/**
 * Reads sign-ins to registries from the file that `docker login` writes. A client of the engine sends them with each
 * pull.
 */
import { readFile, stat } from 'node:fs/promises';
import type Docker from 'dockerode';

/** Bytes of what a helper writes. */
const answerBytesMax = 65_536;
/** Bytes of the file. A sign-in has a few hundred. */
const fileBytesMax = 1_048_576;
/** The name under which Docker stores the sign-in to Docker Hub. */
const dockerHub = 'https://index.docker.io/v1/';

interface AuthFile {
  readonly auths?: Readonly<Record<string, { readonly auth?: string; readonly identitytoken?: string } | undefined>>;
  readonly credHelpers?: Readonly<Record<string, string | undefined>>;
  readonly credsStore?: string;
}

/** Returns the registry of an image: the part before the first '/', if that is an address. */
export function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  return rest.length > 0 && /[.:]|^localhost$/.test(first) ? first : 'docker.io';
}

/** Reads the file for each pull, so that a new sign-in applies at once. Undefined means an anonymous pull. */
export function createSignIns(path: string): (image: string) => Promise<Docker.AuthConfig | undefined> {
  return async (image) => {
    const file = await readAuthFile(path);
    const registry = registryOf(image);
    const server = registry === 'docker.io' ? dockerHub : registry;
    const helper = file.credHelpers?.[registry] ?? file.credsStore;
    if (helper !== undefined) return askHelper(helper, server);
    const entry = file.auths?.[server] ?? file.auths?.[`https://${server}`];
    if (entry?.identitytoken) return { identitytoken: entry.identitytoken, serveraddress: server } as Docker.AuthConfig;
    const [username = '', ...password] = Buffer.from(entry?.auth ?? '', 'base64')
      .toString()
      .split(':');
    return username === '' ? undefined : { username, password: password.join(':'), serveraddress: server };
  };
}

/** An absent, unreadable or too large file counts as a file without sign-ins. */
async function readAuthFile(path: string): Promise<AuthFile> {
  try {
    const { size } = await stat(path);
    return size > fileBytesMax ? {} : Object(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return {};
  }
}

/** The protocol of docker-credential-helpers: the server name on standard input, JSON on standard output. */
async function askHelper(helper: string, server: string): Promise<Docker.AuthConfig | undefined> {
  try {
    const child = Bun.spawn([`docker-credential-${helper}`, 'get'], {
      stdin: new TextEncoder().encode(server),
      stderr: 'ignore',
      timeout: 10_000,
      maxBuffer: answerBytesMax,
    });
    const { Username: username, Secret: password } = JSON.parse(await new Response(child.stdout).text());
    if (username === '<token>')
      return { identitytoken: password, serveraddress: server } as unknown as Docker.AuthConfig;
    return { username, password, serveraddress: server };
  } catch {
    // The helper is not installed, or has no sign-in for this server.
    return undefined;
  }
}
