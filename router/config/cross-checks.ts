/** Rules about several settings together. */
import type { Values } from './settings';

interface CrossCheck {
  /** The settings that the check reads. It is skipped when one of them is invalid. The report names the first. */
  readonly variables: readonly [keyof Values, ...(keyof Values)[]];
  readonly rule: string;
  readonly example: string;
  holds(values: Values): boolean;
}

export const crossChecks: readonly CrossCheck[] = [
  {
    variables: ['BOOTSTRAP_ADMIN_PASSWORD', 'BOOTSTRAP_ADMIN_EMAIL'],
    rule: 'comes together with BOOTSTRAP_ADMIN_EMAIL',
    example: 'set both, or neither',
    holds: (v) => (v.BOOTSTRAP_ADMIN_EMAIL === undefined) === (v.BOOTSTRAP_ADMIN_PASSWORD === undefined),
  },
  {
    variables: ['COOKIE_SECURE', 'ROUTER_PUBLIC_BASE_URL'],
    rule: 'must be false as long as ROUTER_PUBLIC_BASE_URL is not https: browsers would drop the cookie',
    example: 'false',
    holds: (v) => !v.COOKIE_SECURE || !v.ROUTER_PUBLIC_BASE_URL?.startsWith('http:'),
  },
  {
    variables: ['OIDC_CLIENT_ID', 'OIDC_ISSUER'],
    rule: 'comes together with OIDC_ISSUER',
    example: 'set both, or neither',
    holds: (v) => (v.OIDC_ISSUER === undefined) === (v.OIDC_CLIENT_ID === undefined),
  },
  {
    variables: ['PASSWORD_SIGN_IN', 'OIDC_ISSUER', 'ALLOW_SIGNUP'],
    rule: 'may be false only with OIDC_ISSUER, and with ALLOW_SIGNUP=false, because people sign up with passwords',
    example: 'true',
    holds: (v) => v.PASSWORD_SIGN_IN || (v.OIDC_ISSUER !== undefined && !v.ALLOW_SIGNUP),
  },
  {
    variables: ['ROUTER_PORT', 'FRONTEND_PORT'],
    rule: 'must differ from FRONTEND_PORT',
    example: '18080',
    holds: (v) => v.ROUTER_PORT === 0 || v.ROUTER_PORT !== v.FRONTEND_PORT,
  },
  {
    variables: ['BACKEND_PORT_END', 'BACKEND_PORT_START'],
    rule: 'comes together with BACKEND_PORT_START and is not below it',
    example: 'BACKEND_PORT_START=19000 BACKEND_PORT_END=19999',
    holds: (v) => {
      if (v.BACKEND_PORT_START === undefined || v.BACKEND_PORT_END === undefined) {
        return v.BACKEND_PORT_START === v.BACKEND_PORT_END;
      }
      return v.BACKEND_PORT_START <= v.BACKEND_PORT_END;
    },
  },
  {
    variables: ['BACKEND_PORT_START', 'BACKEND_PORT_END', 'FRONTEND_PORT', 'ROUTER_PORT'],
    rule: 'with BACKEND_PORT_END must leave out FRONTEND_PORT and ROUTER_PORT',
    example: 'BACKEND_PORT_START=19000 BACKEND_PORT_END=19999',
    holds: (v) => {
      const [start, end] = [v.BACKEND_PORT_START ?? Infinity, v.BACKEND_PORT_END ?? 0];
      return ![v.FRONTEND_PORT, v.ROUTER_PORT].some((port) => port !== 0 && port >= start && port <= end);
    },
  },
  {
    variables: ['DEFAULT_IDLE_SECONDS', 'MIN_IDLE_SECONDS', 'MAX_IDLE_SECONDS'],
    rule: 'must be from MIN_IDLE_SECONDS to MAX_IDLE_SECONDS',
    example: 'MIN_IDLE_SECONDS=60 DEFAULT_IDLE_SECONDS=600 MAX_IDLE_SECONDS=21600',
    holds: (v) => v.MIN_IDLE_SECONDS <= v.DEFAULT_IDLE_SECONDS && v.DEFAULT_IDLE_SECONDS <= v.MAX_IDLE_SECONDS,
  },
];
