import { CopyLine } from '../kit/copy-line';
import { Notice } from '../kit/notice';
import { Time } from '../kit/time';
import { useText } from '../render';

interface HandedLinkProps {
  id: string;
  title: string;
  /** The purpose of the link; the moment at which it expires follows. */
  help: string;
  link: { url: string; expiresAtMs: number };
}

/** A link that was just made for somebody, shown this one time. */
export function HandedLink({ id, title, help, link }: HandedLinkProps) {
  const t = useText().users;
  return (
    <Notice kind="good" role="status" id={id}>
      <p>
        <strong>{title}</strong>
      </p>
      <p>
        {help} <Time ms={link.expiresAtMs} />
      </p>
      <CopyLine value={link.url} />
      {isOfThisMachine(link.url) && <p>{t.linkIsLocal}</p>}
    </Notice>
  );
}

/** Whether nobody elsewhere can open it. */
function isOfThisMachine(url: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);
}
