/**
 * A server in a process of its own. It answers each request with its number, and ends the connection 5 ms later. It
 * writes the number of ended connections to a file, so that a test can wait for an end that its own busy event loop has
 * not seen.
 *
 *     bun tests/support/closing-server.ts <end|terminate> <file>      prints its port
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
