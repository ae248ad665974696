/**
 * A process of its own whose server answers each request with its number, and ends the connection 5 ms later. What it
 * has ended is in a file: whoever keeps its own event loop busy until then has not seen the end.
 *
 *     bun tests/support/closing-server.ts <end|terminate> <file>      says its port
 */
import { writeFileSync } from 'node:fs';

const [how, file] = process.argv.slice(2) as ['end' | 'terminate', string];
let count = 0;

const { port } = Bun.listen({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    data(socket) {
      count += 1;
      const number = String(count);
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${number.length}\r\n\r\n${number}`);
      setTimeout(() => {
        socket[how]();
        writeFileSync(file, number);
      }, 5);
    },
  },
});
console.log(port);
