/** Test reports in JUnit's format, as `bun test` and Playwright write them. */

interface TestResult {
  /** Path as the runner gives it: relative to the working directory, or to the folder of the browser tests. */
  readonly file: string;
  readonly name: string;
  readonly ended: 'passed' | 'failed' | 'skipped';
}

const CASE = /<testcase\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The tests of a report, in its order; none for a text that is no report. */
export function readJunit(xml: string): readonly TestResult[] {
  return [...xml.matchAll(CASE)].map(([, attributes = '', body = '']) => {
    const attribute = (name: string) => unescaped(new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? '');
    // Playwright has no attribute for the file; its class name is one.
    const file = attribute('file') || attribute('classname');
    const ended = /<(failure|error)\b/.test(body) ? 'failed' : /<skipped\b/.test(body) ? 'skipped' : 'passed';
    return { file, name: attribute('name'), ended };
  });
}

function unescaped(text: string): string {
  return text.replace(/&(?:#(\d+)|(\w+));/g, (whole, code, name) =>
    code !== undefined ? String.fromCharCode(Number(code)) : (ENTITIES[name] ?? whole),
  );
}
