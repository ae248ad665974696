/** Tables as CSV, after RFC 4180, written while they are read. */
import { AppError } from '../lib/errors';
import { dataHeaders } from '../web/headers';

export type Cell = string | number | boolean | null;
export type Line = readonly Cell[];

const utf8 = new TextEncoder();

/**
 * A download of `lines`, which are asked for page by page as fast as the client takes them.
 * @param onEnd is called exactly once, when the stream has ended in whatever way.
 * @returns the response, and how to break it off.
 */
export function csvStream(options: {
  readonly name: string;
  readonly header: Line;
  readonly pages: AsyncIterable<readonly Line[]>;
  readonly onEnd: () => void;
}): { response: Response; abort: (why: Error) => void } {
  const { name, header, pages, onEnd } = options;
  const reader = pages[Symbol.asyncIterator]();
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    void reader.return?.();
    onEnd();
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        stream = controller;
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
  return {
    response: new Response(body, { headers }),
    abort(why) {
      if (ended) return;
      end();
      stream?.error(why);
    },
  };
}

/** Whether a table is asked for as CSV, by `?format=csv` or by the Accept header. Throws for a format that is neither. */
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

/** What ends a cell: a spreadsheet goes by the separator of its country, in which our quotes are not at a cell's edge. */
const SEPARATORS = /([,;|\t\r\n])/;
/** What makes a formula of a cell, behind characters that are passed over or not shown. */
const FORMULA = /^["'\s\p{C}]*[=+\-@＝＋－＠]/u;

/**
 * A text of which no spreadsheet makes a formula (https://owasp.org/www-community/attacks/CSV_Injection), wherever it may
 * see a cell begin: an apostrophe makes text of it.
 */
function withoutFormulas(text: string): string {
  const parts = text.split(SEPARATORS).map((part) => (FORMULA.test(part) ? `'${part}` : part));
  return /^[\t\r\n]/.test(text) ? `'${parts.join('')}` : parts.join('');
}
