/** A chart of how proxies compare with the floor, as SVG that is readable on light and on dark pages. */
import { median, type Results } from './results';
import { AGENTS } from './scenarios/agents';
import { REQUESTS } from './scenarios/requests';
import { PACED } from './scenarios/streams';
import { DIRECT, FLOOR } from './subjects';

interface Group {
  readonly title: string;
  readonly table: string;
  readonly load: string;
  readonly metric: string;
}

const GROUPS: readonly Group[] = [
  { title: 'Requests/s at 64 connections: more is better', table: REQUESTS, load: '64', metric: 'perSecond' },
  { title: 'CPU per chunk, 64 streams: less is better', table: PACED, load: '64', metric: 'cpuMs' },
  { title: 'CPU per chunk, 1,000 streams: less is better', table: PACED, load: '1,000', metric: 'cpuMs' },
  { title: 'CPU per token, 256 agents: less is better', table: AGENTS, load: '256', metric: 'cpuUs' },
];

/** Pixels. */
const WIDTH = 720;
const NAME_WIDTH = 190;
const VALUE_WIDTH = 60;
const ROW = 24;
const BAR = 14;
const TITLE = 34;
const MARGIN = 16;

const STYLE = `text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 }
.bar { fill: #8c959f } .ours { fill: #0969da } .floor { stroke: #1f2328; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .bar { fill: #6e7681 } .ours { fill: #4493f8 } .floor { stroke: #e6edf3 }
}`;

interface Bar {
  readonly name: string;
  /** How many times the floor. */
  readonly ratio: number;
}

/** The chart's SVG. Undefined where nothing of it was measured. */
export function chart(results: Results): string | undefined {
  const parts: string[] = [];
  let y = MARGIN;
  for (const group of GROUPS) {
    const bars = barsOf(results, group);
    if (bars.length === 0) continue;
    parts.push(drawn(group.title, bars, y));
    y += TITLE + bars.length * ROW + MARGIN;
  }
  if (parts.length === 0) return undefined;
  const size = `width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">
<title>How the router and its peers compare with the floor, which is 1</title>
<style>${STYLE}</style>
${parts.join('\n')}
</svg>
`;
}

function barsOf(results: Results, { table, load, metric }: Group): readonly Bar[] {
  return results
    .places(table)
    .filter((place) => place.load === load && place.subject !== DIRECT && place.subject !== FLOOR)
    .map((place) => ({ name: place.subject, ratio: median(results.ratio(place, metric, FLOOR)) }))
    .filter(({ ratio }) => Number.isFinite(ratio));
}

function drawn(title: string, bars: readonly Bar[], top: number): string {
  const most = Math.max(1, ...bars.map(({ ratio }) => ratio));
  const scale = (WIDTH - NAME_WIDTH - VALUE_WIDTH - MARGIN) / most;
  const rows = bars.map(({ name, ratio }, index) => {
    const y = top + TITLE + index * ROW;
    const width = Math.max(1, ratio * scale).toFixed(1);
    const kind = name.startsWith('router') ? 'bar ours' : 'bar';
    const value = `<text x="${(NAME_WIDTH + ratio * scale + 8).toFixed(1)}" y="${y + BAR - 2}">${ratio.toFixed(ratio < 0.1 ? 3 : 2)} ×</text>`;
    return `<text x="${NAME_WIDTH - 8}" y="${y + BAR - 2}" text-anchor="end">${name}</text><rect class="${kind}" x="${NAME_WIDTH}" y="${y}" width="${width}" height="${BAR}" rx="2"/>${value}`;
  });
  const floor = (NAME_WIDTH + scale).toFixed(1);
  const bottom = top + TITLE + bars.length * ROW;
  const line = `<line class="floor" x1="${floor}" x2="${floor}" y1="${top + TITLE - 6}" y2="${bottom - 4}"/>`;
  return [`<text class="title" x="${MARGIN}" y="${top + MARGIN}">${title}</text>`, ...rows, line].join('\n');
}
