import { useText } from '../render';
import { Sentence } from '../sentences';

/** A hint that ends with the last output of a program, as `OUTPUT` in router/runners/health/failure.ts begins it. */
const WITH_OUTPUT = /^(?<words>.*?)(?:^|\n)Its last output:\n(?<output>.*)$/s;

/** What may help against a failure. The output of a program keeps its columns. */
export function Hint({ of }: { of: string }) {
  const t = useText().runner;
  const { words = of, output } = WITH_OUTPUT.exec(of)?.groups ?? {};
  return (
    <>
      {words !== '' && (
        <p class="quiet verbatim">
          <Sentence of={words} />
        </p>
      )}
      {output !== undefined && (
        <>
          <p class="quiet">{t.lastOutput}</p>
          <pre class="output verbatim" dir="auto">
            {output}
          </pre>
        </>
      )}
    </>
  );
}
