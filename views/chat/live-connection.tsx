/** The page's end of a stream. */
export function LiveConnection({ url }: { url: string }) {
  return (
    // Events carry hx-partials, and steps, whose place app/swap.js finds: the element itself swaps nothing. app/stream.js fires
    // `retry` when the first connection fails; later ones are retried by hx-sse itself, at least every 5 s.
    <div
      id="live"
      hx-sse:connect={url}
      hx-swap="none"
      hx-sse:close="signed-out"
      hx-trigger="load, retry"
      hx-config='{"sse": {"reconnectMaxDelay": 5000}}'
    />
  );
}
