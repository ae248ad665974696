/** Number of colours in sidebar.css. */
const HUES = 6;

/** The mark of an agent: its initial, in a colour that it always has. */
export function AgentMark({ agent }: { agent: { id: string; name: string } }) {
  let sum = 0;
  for (const character of agent.id) sum = (sum * 31 + character.charCodeAt(0)) % 9973;
  return (
    <span class="agent-mark" data-hue={sum % HUES} aria-hidden="true">
      {[...agent.name.trim()][0]?.toUpperCase()}
    </span>
  );
}
