/** What the process around an agent gives it, and where it says what it does. */

export interface RunnerEnv {
  readonly host: string;
  /** 0 lets the kernel choose; the choice is logged. */
  readonly port: number;
  /** What every request must carry as `Authorization: Bearer <key>`. */
  readonly accessKey: string;
  readonly home: string;
}

/** Reads `HOST`, `PORT`, `OPENAI_API_KEY` and `AGENT_HOME`. */
export function readRunnerEnv(): RunnerEnv {
  const port = Number(process.env.PORT ?? '8080');
  if (!Number.isInteger(port) || port < 0 || port > 65_535) refuse('PORT must be a port number.');
  return {
    host: process.env.HOST ?? '127.0.0.1',
    port,
    accessKey: required('OPENAI_API_KEY'),
    home: process.env.AGENT_HOME ?? process.cwd(),
  };
}

/** A variable without which the agent cannot work. Ends the process with a plain sentence when it is missing. */
export function required(name: string): string {
  return process.env[name] || refuse(`${name} is not set.`);
}

function refuse(reason: string): never {
  console.error(`This agent cannot start: ${reason}`);
  process.exit(1);
}

/** One JSON object a line. `event` is a noun and a past-tense verb; what people say and keys are never logged. */
export function log(event: string, fields: Readonly<Record<string, string | number>>): void {
  console.log(JSON.stringify({ time: new Date().toISOString(), event, ...fields }));
}

/** `docker stop` and the process driver send SIGTERM: nothing here is worth waiting for. */
export function endOnSignal(): void {
  process.on('SIGTERM', () => process.exit(0));
  process.on('SIGINT', () => process.exit(0));
}
