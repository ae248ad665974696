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
const output = pino.destination(1);
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
  output,
);
/** To look for secrets costs more than all the rest of a line. */
const unredacted = pino(options, output);

const areas: pino.Logger[] = [];

function area(name: string, parent = root): pino.Logger {
  const logger = parent.child({ area: name });
  areas.push(logger);
  return logger;
}

export const processLog = area('process');
export const httpLog = area('http');
export const accountsLog = area('accounts');
export const runnersLog = area('runners');
export const driversLog = area('drivers');
export const relayLog = area('relay');
/** For the line that every relayed request writes: its members are numbers, ids, a path and words of ours. */
export const requestsLog = area('relay', unredacted);
export const generationsLog = area('generations');

export function setLogLevel(level: string): void {
  for (const logger of areas) logger.level = level;
}
