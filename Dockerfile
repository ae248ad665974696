# The router in a container. docs/deploy.md says how it is run.
#
# BASE is any image with Bun 1.4.5 or newer on its PATH. Nothing else of it is used but tar, for backups; not even a shell.
ARG BASE=oven/bun:1.4.5-slim

FROM ${BASE} AS packages
WORKDIR /app
COPY package.json bun.lock bunfig.toml ./
RUN ["bun", "install", "--frozen-lockfile", "--production", "--no-summary"]

FROM ${BASE}
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY . .
RUN ["bun", "--no-env-file", "scripts/build.ts"]
# Bun reads the first as it starts, and would let only 256 calls to LLM APIs run at once. The sign-ins of `docker login` are
# looked for below HOME.
ENV BUN_CONFIG_MAX_HTTP_REQUESTS=8192 STACK_DATA_ROOT=/data HOME=/data
# Whoever may use the engine's socket is as good as root there. That is no reason to be root here.
USER 1000:1000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["bun", "--no-env-file", "-e", \
  "const { FRONTEND_BIND_HOST: host = '127.0.0.1', FRONTEND_PORT: port = '18000' } = process.env; const { ok } = await fetch(`http://${host.includes(':') ? `[${host}]` : host}:${port}/healthz`); process.exit(ok ? 0 : 1);"]
# Without a shell in between, so that SIGTERM reaches the router.
ENTRYPOINT ["bun", "--no-env-file", "node_modules/.cache/agent-stack/main.js"]
