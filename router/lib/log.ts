/**
 * The loggers: one JSON object a line on standard output, one logger per area, declared here and nowhere else.
 * `event` is a noun and a past-tense verb (`runner.started`). Message text and secrets are never logged.
 */
import pino from 'pino';

const options: pino.LoggerOptions = {
  // Quiet until main.ts sets the level: tests and scripts log nothing.
  level: 'silent',
  base: null,
  messageKey: 'event',
  formatters: { level: (label) => ({ level: label }) },
};
// Write errors (a full disk, a closed pipe) are ignored: there is no place to report them, and the router can go on.
const standardOutput = pino.destination(1).on('error', () => undefined);
let output: { write(lines: string): unknown } = standardOutput;
const root = pino(
  {
    ...options,
    redact: {
      paths: [
        'authorization',
        'cookie',
        'env',
        'key',
        'password',
        'token',
        '*.authorization',
        '*.cookie',
        '*.env',
        '*.key',
        '*.password',
      ],
      censor: '[secret]',
    },
  },
  { write: (line: string) => output.write(line) },
);
const areas: pino.Logger[] = [];

function area(name: string): pino.Logger {
  const logger = root.child({ area: name });
  areas.push(logger);
  return logger;
}

export const processLog = area('process');
export const httpLog = area('http');
export const accountsLog = area('accounts');
export const runnersLog = area('runners');
export const driversLog = area('drivers');
export const relayLog = area('relay');
export const generationsLog = area('generations');
export const schedulesLog = area('schedules');

export function setLogLevel(level: string): void {
  for (const logger of areas) logger.level = level;
}

/** Bytes of lines that wait while the file cannot be written; further lines are dropped. */
const WAITING_BYTES_MAX = 16_777_216;

export interface LogFile {
  /** Absolute, such as `/var/log/router.log`: the files are `router.1.log`, `router.2.log`, … beside it. */
  readonly path: string;
  /** Size at which a new file is begun. */
  readonly megabytesMax: number;
  /** How many files are kept. */
  readonly kept: number;
}

/** From now on writes the log to files instead of the standard output. Throws when the first cannot be written. */
export async function logToFile({ path, megabytesMax, kept }: LogFile): Promise<void> {
  const { default: roll } = await import('pino-roll');
  const file = await roll({
    ...{ file: path, size: `${megabytesMax}m`, limit: { count: kept, removeOtherLogFiles: true }, symlink: true },
    ...{ mkdir: true, mode: 0o600, sync: true, maxLength: WAITING_BYTES_MAX },
  });
  file.on('error', () => undefined);
  output = file;
}

/** Lines of requests and answers are written together: after this time, or earlier when there are `TOGETHER_LINES_MAX` lines. */
const TOGETHER_MS = 100;
const TOGETHER_LINES_MAX = 500;
let togetherLines: string[] = [];
let waiting: ReturnType<typeof setTimeout> | undefined;

/**
 * Logs the line of a relayed request, together with other lines of the same moment, because writing a single line costs
 * more than relaying the request. The line is not redacted.
 * @param line numbers, ids, a path and fixed texts of the router only; the event must be the last member.
 */
export function logRequest(line: Line): void {
  if (relayLog.isLevelEnabled('info')) logTogether('relay', line);
}

/** Logs the line of a recorded answer that has ended, as `logRequest` does. */
export function logAnswer(line: Line): void {
  if (generationsLog.isLevelEnabled('info')) logTogether('generations', line);
}

type Line = Readonly<Record<string, string | number | undefined>>;

function logTogether(area: string, line: Line): void {
  togetherLines.push(`{"level":"info","time":${Date.now()},"area":"${area}",${JSON.stringify(line).slice(1)}`);
  if (togetherLines.length >= TOGETHER_LINES_MAX) writeTogether();
  else waiting ??= setTimeout(writeTogether, TOGETHER_MS).unref();
}

function writeTogether(): void {
  clearTimeout(waiting);
  waiting = undefined;
  const lines = togetherLines;
  togetherLines = [];
  if (lines.length > 0) output.write(`${lines.join('\n')}\n`);
}

process.once('exit', writeTogether);
