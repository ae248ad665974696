interface PageLinksProps {
  /** The page with the newest entries; absent on that page. */
  firstHref?: string | undefined;
  first: string;
  /** The page with the next entries; absent on the last page. */
  moreHref?: string | undefined;
  more: string;
}

/** The links below one page of a long list. */
export function PageLinks({ firstHref, first, moreHref, more }: PageLinksProps) {
  if (!firstHref && !moreHref) return null;
  return (
    <p class="row">
      {firstHref && <a href={firstHref}>{first}</a>}
      {moreHref && <a href={moreHref}>{more}</a>}
    </p>
  );
}
