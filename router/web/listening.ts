/** Makes an app listen, and says what to do where it cannot. */
import { codeOf } from '../lib/system-errors';

/** Thrown when the router cannot listen. The message says which setting to change. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** Where an app listens, and the settings that say so. */
export interface Place {
  readonly hostname: string;
  readonly port: number;
  readonly settings: { readonly host: string; readonly port: string };
}

/** Throws a `ListenError`, or another error of the server. */
export function listenAt<App>(
  app: { listen(options: { hostname: string; port: number }): App },
  { hostname, port, settings }: Place,
): App {
  try {
    return app.listen({ hostname, port });
  } catch (cause) {
    const problem = problemOf(codeOf(cause), { hostname, port, settings });
    throw problem === undefined ? cause : new ListenError(problem, { cause });
  }
}

function problemOf(code: string, { hostname, port, settings }: Place): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} of ${hostname} is in use. Stop the program that listens there, or set ${settings.port} to a free port.`;
    case 'EACCES':
      return `This user may not listen at port ${port}. Set ${settings.port} to 1024 or more, or give the program CAP_NET_BIND_SERVICE.`;
    // Bun reports ENOENT for a name that has no address, or EAGAIN.
    case 'EADDRNOTAVAIL':
    case 'EAGAIN':
    case 'ENOENT':
    case 'ENOTFOUND':
      return `This machine has no address "${hostname}". Set ${settings.host} to one of its own, or leave it out.`;
    default:
      return undefined;
  }
}
