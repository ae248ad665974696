import { useText } from '../render';

interface LengthNoteProps {
  /** The id of the text area. The note's own id is that with `-length` behind it. */
  of: string;
  /** Characters. */
  max: number;
}

/** Says how long a text is when it comes near to its limit. app/length.js shows it; a longer text is not sent. */
export function LengthNote({ of, max }: LengthNoteProps) {
  const t = useText().length;
  return (
    <p
      id={`${of}-length`}
      class="field-help length-note"
      role="status"
      data-max={max}
      data-near={t.near('{count}', '{max}')}
      data-over={t.over('{count}', '{max}')}
      hidden
    />
  );
}
