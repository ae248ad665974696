/** A runner that is a wire: every connection to it leads to `PUPPET_PORT`, where a test says each byte of the answer. */
import { connect, createServer } from 'node:net';

const { HOST, PORT, PUPPET_PORT } = process.env;

createServer((asked) => {
  const answering = connect(Number(PUPPET_PORT), '127.0.0.1');
  asked.pipe(answering).pipe(asked);
  for (const [one, other] of [
    [asked, answering],
    [answering, asked],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
}).listen(Number(PORT), HOST ?? '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
