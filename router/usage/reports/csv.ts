/** Tables as CSV (RFC 4180), written while they are read. `csv-stringify` protects less against formulas (decision 0030). */
import { AppError } from '../../lib/errors';
import { dataHeaders } from '../../web/answers/headers';
import { type Incoming, waitNoLonger, waitPatiently } from '../../web/patience';

type Cell = string | number | boolean | null;
export type Line = readonly Cell[];

const utf8 = new TextEncoder();

/**
 * A download of lines, which are requested page by page as fast as the client reads.
 * @param options.hold registers the open stream; its argument breaks the stream off. May refuse by throwing. What it returns is
 * ended exactly once, when the stream has ended for any reason.
 */
export function csvResponse(options: {
  readonly name: string;
  readonly header: Line;
  readonly pages: AsyncIterable<readonly Line[]>;
  readonly incoming: Incoming;
  readonly hold: (closable: { close(why: Error): void }) => { end(): void };
}): Response {
  const { name, header, pages, hold } = options;
  const { request, server } = options.incoming;
  const reader = pages[Symbol.asyncIterator]();
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    void reader.return?.();
    waitNoLonger(server, request);
    held.end();
  };
  const held = hold({
    close(why) {
      if (ended) return;
      end();
      stream?.error(why);
    },
  });
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        stream = controller;
        waitPatiently(server, request);
        controller.enqueue(utf8.encode(csvLine(header)));
      },
      async pull(controller) {
        const { done, value } = await reader.next().catch((error: unknown) => {
          end();
          throw error;
        });
        if (ended) return;
        if (!done) return controller.enqueue(utf8.encode(value.map(csvLine).join('')));
        end();
        controller.close();
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
  const headers = {
    ...dataHeaders('text/csv; charset=utf-8; header=present'),
    'content-disposition': `attachment; filename="${name}"`,
  };
  return new Response(body, { headers });
}

/** Whether the request asks for CSV, by `?format=csv` or by the Accept header. Throws for an unknown format. */
export function wantsCsv(request: Request): boolean {
  const format = new URL(request.url).searchParams.get('format');
  if (format !== null && format !== 'csv' && format !== 'json') {
    throw new AppError('invalid_request', { message: '"format": expected "json" or "csv".' });
  }
  return format === null ? /\btext\/csv\b/.test(request.headers.get('accept') ?? '') : format === 'csv';
}

export function csvLine(cells: Line): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell !== 'string') return String(cell);
  const text = withoutFormulas(cell);
  return /[",;|\t\r\n]|^\s|\s$|^'/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Characters that may end a cell: spreadsheets use the separator of their country, and then our quotes are not at the
 * edge of a cell.
 */
const SEPARATORS = /([,;|\t\r\n])/;
/** The beginning of a formula, after characters that spreadsheets skip or do not show. */
const FORMULA = /^["'\s\p{C}]*[=+\-@＝＋－＠]/u;

/**
 * A text that no spreadsheet reads as a formula (https://owasp.org/www-community/attacks/CSV_Injection): an apostrophe
 * before each place where a cell may begin makes it text.
 */
function withoutFormulas(text: string): string {
  const parts = text.split(SEPARATORS).map((part) => (FORMULA.test(part) ? `'${part}` : part));
  return /^[\t\r\n]/.test(text) ? `'${parts.join('')}` : parts.join('');
}
