import { useNumbers } from '../numbers';
import { useText } from '../render';
import type { LoadView } from './models';

/** Size of the drawing in its own units; it is stretched to the width of its place. */
const WIDTH = 360;
const HEIGHT = 100;
const SPAN_MS = 3_600_000;
/** Longer than this between two samples, and the line is broken: the runner was asleep. */
const GAP_MS = 90_000;

type Point = readonly [atMs: number, value: number];

interface ChartProps {
  label: string;
  loads: readonly LoadView[];
  nowMs: number;
  pick: (load: LoadView) => number | undefined;
  /** The least that the top of the scale shows. */
  top: number;
  format: (value: number) => string;
}

/** One figure of the last hour as a line over time, with its last and its highest value in words. */
export function LoadChart({ label, loads, nowMs, pick, top, format }: ChartProps) {
  const t = useText().runner.load;
  const n = useNumbers();
  const points = loads.flatMap((load): Point[] => {
    const value = pick(load);
    return value === undefined ? [] : [[load.atMs, value]];
  });
  const most = Math.max(0, ...points.map(([, value]) => value));
  const last = points.at(-1)?.[1];
  const ceiling = Math.max(top, most * 1.1);
  return (
    <figure class="load">
      <figcaption>
        <span class="quiet">{label}</span>
        <strong>{last === undefined ? '–' : format(last)}</strong>
        {points.length > 0 && <span class="quiet">{t.most(format(most))}</span>}
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={last === undefined ? t.none(label) : t.words(label, format(last), format(most))}
      >
        <line x1="0" x2={WIDTH} y1={HEIGHT} y2={HEIGHT} />
        <line x1="0" x2={WIDTH} y1={HEIGHT / 2} y2={HEIGHT / 2} />
        {linesOf(points).map((line) => (
          <Line key={line[0]?.[0]} points={line} nowMs={nowMs} ceiling={ceiling} />
        ))}
      </svg>
      <div class="load-span quiet" aria-hidden="true">
        <span>{t.ago(n.duration(SPAN_MS))}</span>
        <span>{t.now}</span>
      </div>
    </figure>
  );
}

function Line({ points, nowMs, ceiling }: { points: readonly Point[]; nowMs: number; ceiling: number }) {
  const x = (atMs: number) => round(WIDTH - ((nowMs - atMs) / SPAN_MS) * WIDTH);
  const y = (value: number) => round(HEIGHT - (value / ceiling) * HEIGHT);
  const first = points[0]?.[0] ?? 0;
  const path = points.map(([atMs, value], at) => `${at === 0 ? 'M' : 'L'}${x(atMs)} ${y(value)}`).join('');
  // A line of one point would not be seen.
  const drawn = points.length === 1 ? `${path}h1` : path;
  return (
    <>
      <path class="load-area" d={`${drawn}V${HEIGHT}H${x(first)}Z`} />
      <path class="load-line" d={drawn} />
    </>
  );
}

/** The points in groups without a gap. */
function linesOf(points: readonly Point[]): Point[][] {
  const lines: Point[][] = [];
  let beforeMs = Number.NEGATIVE_INFINITY;
  for (const point of points) {
    if (point[0] - beforeMs > GAP_MS) lines.push([]);
    lines.at(-1)?.push(point);
    beforeMs = point[0];
  }
  return lines;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
