/** Loaded before Portkey, which would listen on every address: a bench listens on loopback only. */
import { Server } from 'node:http';

const { listen } = Server.prototype;
Server.prototype.listen = function (port, _host, ...rest) {
  return listen.call(this, port, '127.0.0.1', ...rest);
};
