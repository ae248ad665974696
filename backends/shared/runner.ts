/** Reads the environment of an agent's process, and writes its log. */

interface RunnerEnv {
  readonly host: string;
  /** 0 lets the kernel choose a port, which is then logged. */
  readonly port: number;
  /** Every request must carry this as `Authorization: Bearer <key>`. */
  readonly accessKey: string;
  readonly home: string;
}

/** Reads `HOST`, `PORT`, `OPENAI_API_KEY` and `AGENT_HOME`. */
export function readRunnerEnv(): RunnerEnv {
  const port = Number(process.env.PORT ?? '8080');
  if (!Number.isInteger(port) || port < 0 || port > 65_535) refuse('PORT must be a port number.');
  return {
    // The process driver sets it. In a container it is not set, and requests come from outside of the container.
    host: process.env.HOST || '0.0.0.0',
    port,
    accessKey: required('OPENAI_API_KEY'),
    home: process.env.AGENT_HOME ?? process.cwd(),
  };
}

/** Returns a variable that the agent needs. If it is missing, prints a sentence and exits. */
export function required(name: string): string {
  return process.env[name] || refuse(`${name} is not set.`);
}

function refuse(reason: string): never {
  console.error(`This agent cannot start: ${reason}`);
  process.exit(1);
}

/** Writes one JSON object per line. `event` is a noun and a past-tense verb. Messages and keys are never logged. */
export function log(event: string, fields: Readonly<Record<string, string | number>>): void {
  console.log(JSON.stringify({ time: new Date().toISOString(), event, ...fields }));
}

/** Exits at once on SIGTERM, which `docker stop` and the process driver send: no state would be lost. */
export function endOnSignal(): void {
  process.on('SIGTERM', () => process.exit(0));
  process.on('SIGINT', () => process.exit(0));
}
