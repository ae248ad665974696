/** The addresses of an agent's files. */

interface FilePlace {
  readonly agentId: string;
  readonly path: readonly string[];
}

const search = (path: readonly string[]) => (path.length === 0 ? '' : `?path=${encodeURIComponent(path.join('/'))}`);

/** The page of a file or folder. */
export function fileHref({ agentId, path }: FilePlace): string {
  return `/agents/${agentId}/files${search(path)}`;
}

export function contentHref({ agentId, path }: FilePlace, options: { show: boolean }): string {
  return `/api/agents/${agentId}/files/content${search(path)}${options.show ? '&show' : ''}`;
}

export function archiveHref({ agentId, path }: FilePlace): string {
  return `/api/agents/${agentId}/files/archive${search(path)}`;
}
