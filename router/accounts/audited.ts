/** The route option `{ audit: '<action>' }`: records who did it to whom, and what was asked for without any secret. */
import type { AuditAction, AuditService } from '../audit/audit';
import { decoded } from '../lib/text';
import type { Clients } from '../web/clients';
import type { Who } from './identify';

interface AuditedDeps {
  readonly audit: Pick<AuditService, 'record'>;
  readonly clients: Pick<Clients, 'address'>;
  readonly nameOf: (id: string) => Promise<string | undefined>;
}

export interface Handled {
  readonly who: Who;
  readonly responseValue: unknown;
  readonly request: Request;
  readonly server: Parameters<Clients['address']>[1];
  /** Undefined if the path of the route has none. */
  readonly params: Readonly<Record<string, string>> | undefined;
  readonly body: unknown;
}

/** Members of a path or a body that name the changed object, the most specific one first. */
const TARGETS = ['id', 'subject', '*', 'backend', 'model', 'email', 'scope', 'group', 'name'];
/** Members of a body whose values are no secrets. Of others only the name is recorded. */
const SHOWN = new Set([
  ...['email', 'name', 'uses', 'days', 'disabled', 'role', 'scopes', 'backends', 'agents', 'runners', 'expires_at'],
  ...[
    'when',
    'shared',
    'group',
    'scope',
    'backend',
    'subject',
    'unit',
    'period',
    'soft_limit',
    'hard_limit',
    'model',
    'models',
  ],
  ...['prompt', 'completion', 'cached', 'per_call', 'requests_per_minute', 'tokens_per_minute', 'concurrent_requests'],
]);

/** @returns the hooks of a route: the target is named before the handler, which may delete it. */
export function audited({ audit, clients, nameOf }: AuditedDeps) {
  const names = new WeakMap<Request, string>();
  return {
    async before({ request, params, body }: Pick<Handled, 'request' | 'params' | 'body'>): Promise<void> {
      const rest = params?.['*'];
      const members: Readonly<Record<string, unknown>> = {
        ...membersOf(body),
        ...params,
        ...(rest !== undefined && { '*': decoded(rest) }),
      };
      const told = TARGETS.map((name) => members[name]).find((value) => typeof value === 'string' && value !== '');
      names.set(request, told === undefined ? '' : ((await nameOf(String(told))) ?? String(told)));
    },
    async after(action: AuditAction, handled: Handled): Promise<void> {
      const { request, server, who, body, responseValue } = handled;
      if (responseValue instanceof Response && responseValue.status >= 400) return;
      const by = who.key ? `by the key "${who.key.name}"; ` : '';
      await audit.record({
        ...{ action, actor: who.user, target: names.get(request) || who.user.email },
        ...{ detail: by + detailOf(membersOf(body)), address: clients.address(request, server) },
      });
    },
  };
}

function membersOf(body: unknown): Readonly<Record<string, unknown>> {
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
}

function detailOf(members: Readonly<Record<string, unknown>>): string {
  const told = Object.entries(members).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  return told
    .map(([name, value]) => {
      if (SHOWN.has(name)) return `${name}=${Array.isArray(value) ? value.join(' ') : String(value)}`;
      return typeof value === 'object' ? Object.keys(membersOf(value)).join(', ') : name;
    })
    .join(', ');
}
