/** The methods of an address, for the answer to a request with another one: RFC 9110, 15.5.6. */

interface Route {
  readonly method: string;
  readonly path: string;
}

/**
 * @param routes All routes, asked once, at the first question.
 * @returns Function that tells the methods of the routes that a path matches, without routes for all methods.
 */
export function methodsOf(routes: () => readonly Route[]): (path: string) => readonly string[] {
  let patterns: readonly { readonly method: string; readonly pattern: RegExp }[] | undefined;
  return (path) => {
    patterns ??= routes().flatMap(({ method, path }) => {
      return method === 'ALL' ? [] : [{ method, pattern: patternOf(path) }];
    });
    const methods = new Set(patterns.flatMap(({ method, pattern }) => (pattern.test(path) ? [method] : [])));
    // The server answers a HEAD by the route for GET.
    if (methods.has('GET')) methods.add('HEAD');
    return [...methods];
  };
}

/** `/api/agents/:id` and `/assets/*` as patterns. */
function patternOf(path: string): RegExp {
  const parts = path.split('/').map((part) => {
    if (part === '*') return '.*';
    return part.startsWith(':') ? '[^/]+' : RegExp.escape(part);
  });
  return new RegExp(`^${parts.join('/')}${path === '/' ? '' : '/?'}$`);
}
