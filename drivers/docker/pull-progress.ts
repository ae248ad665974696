/** Combines the many progress lines that the engine sends per layer into one. */
import type { StartProgress } from '../driver';

/** One line of the engine's answer to a pull. */
export interface PullEvent {
  readonly id?: string;
  readonly status?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly error?: string;
}

interface Layer {
  /** A fraction, from 0 to 1. */
  done: number;
  bytes: number;
  total: number;
}

/** The share of the download. It takes most of the time; unpacking is the rest. */
const downloadShare = 0.8;
const megabyte = 1_000_000;

/** Takes one event at a time; returns a step when there is a change to show. The percentage never falls. */
export function createPullProgress(image: string): (event: PullEvent) => StartProgress | undefined {
  const layers = new Map<string, Layer>();
  let percent = 0;
  let shown = '';
  return ({ id, status = '', progressDetail: { current = 0, total = 0 } = {} }) => {
    // The first line has the tag as its id.
    if (id === undefined || status.startsWith('Pulling from')) return undefined;
    const layer = layers.get(id) ?? { done: 0, bytes: 0, total: 0 };
    layers.set(id, layer);
    layer.done = Math.max(layer.done, doneOf(status, total > 0 ? Math.min(current / total, 1) : 0));
    if (status === 'Downloading') Object.assign(layer, { bytes: current, total });
    if (layer.done >= downloadShare) layer.bytes = Math.max(layer.bytes, layer.total);
    const all = [...layers.values()];
    const complete = all.filter(({ done }) => done === 1).length;
    const sum = all.reduce((done, one) => done + one.done, 0);
    percent = Math.max(percent, Math.floor((sum / all.length) * 100));
    const loaded = all.reduce((bytes, one) => bytes + one.bytes, 0);
    const message = `Fetching ${image}: ${complete} of ${all.length} layers, ${Math.round(loaded / megabyte)} MB`;
    if (shown === `${percent} ${message}`) return undefined;
    shown = `${percent} ${message}`;
    return { stage: 'pull', percent, message };
  };
}

/** `part` is the fraction of the phase that the status names: download or unpacking. */
function doneOf(status: string, part: number): number {
  switch (status) {
    case 'Downloading':
      return part * downloadShare;
    case 'Verifying Checksum':
    case 'Download complete':
      return downloadShare;
    case 'Extracting':
      return downloadShare + part * (1 - downloadShare) * 0.99;
    case 'Pull complete':
    case 'Already exists':
      return 1;
    default:
      return 0;
  }
}
