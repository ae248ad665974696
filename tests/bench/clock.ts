/** One clock for every process of this machine, so that a chunk's way through a proxy can be timed. */
import { dlopen, ptr } from 'bun:ffi';

const isMac = process.platform === 'darwin';
/** From the systems' own `time.h`. */
const CLOCK_MONOTONIC = isMac ? 6 : 1;

/**
 * Microseconds between the machine's clock and this process's: Bun counts both `performance.now()` and `hrtime` from the
 * start of the process. Asked once, because a call through FFI costs 50 times as much as `performance.now()`.
 */
function machineOffsetUs(): number {
  const libc = dlopen(isMac ? 'libSystem.B.dylib' : 'libc.so.6', {
    clock_gettime: { args: ['i32', 'ptr'], returns: 'i32' },
  });
  const timespec = new BigInt64Array(2);
  const address = ptr(timespec);
  const read = () => {
    libc.symbols.clock_gettime(CLOCK_MONOTONIC, address);
    return Number(timespec[0]) * 1e6 + Number(timespec[1]) / 1e3;
  };
  // The first call binds the symbol and is slow.
  read();
  const beforeUs = performance.now() * 1e3;
  const machineUs = read();
  const afterUs = performance.now() * 1e3;
  libc.close();
  return machineUs - (beforeUs + afterUs) / 2;
}

const offsetUs = machineOffsetUs();

/** Microseconds on the machine's monotonic clock. */
export function nowUs(): number {
  return offsetUs + performance.now() * 1e3;
}
