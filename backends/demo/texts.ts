/** The longer texts of the demo agent. */

export const PASSAGE =
  'A runner is the live execution of one agent. It is started when the first message arrives, kept while there is ' +
  'work, and stopped when it has been idle for a while. What it knows is in its home, so the next one goes on where ' +
  'the last one stopped. Nothing of this is visible to the person who writes: a message goes in, and an answer comes out.';

/**
 * Characters of two, three and four bytes, joined emoji, combining marks and right-to-left text. Shows every place at
 * which a relay could split a character wrongly.
 */
export const UNICODE = `Grüße, naïve café — ∑ √ ∞ ≠ €
日本語のテキストは空白なしで続きますので、どこで切っても壊れてはいけません。
中文也是一样:每一个字都必须完整地到达。
한국어 문장도 그대로 도착해야 합니다.
Привет, мир! Γειά σου Κόσμε! नमस्ते दुनिया
مرحبا بالعالم · שלום עולם
👩‍👩‍👧‍👦 🏳️‍🌈 👋🏽 🇩🇪 🧑‍🚀 𝒳 𝔘 é ñ 𠮷
`;

export const MARKDOWN = `# Everything Markdown can do

A paragraph with **bold**, *italic*, ~~struck~~ and \`code\`, a [link](https://example.com) and
https://example.com/bare as it stands.

## Lists

1. First
   - nested
     - deeper, with \`code\`
   - and back
2. Second
3. Third

## A table

| Word | Means | Count |
|:-----|:-----:|------:|
| home | an agent's *durable* directory | 1 |
| seed | what it starts from | 12 |
| lease | a hold on a runner while work lasts | 123 |

## Code

\`\`\`ts
// Anything that speaks OpenAI's chat API can be an agent.
export async function* answer(turn: Turn): AsyncGenerator<Piece> {
  for (const word of ['Hello', ', ', 'world']) yield { text: word };
}
\`\`\`

\`\`\`sh
curl http://127.0.0.1:18000/v1/models -H "Authorization: Bearer $AGENT_STACK_KEY"
\`\`\`

    indented code, without a language

## A quote

> An answer survives a closed tab.
>
> > And a quote survives in a quote.

---

<b>HTML</b> stays text, and ![so does a picture](https://example.com/x.png) as far as the page allows it.
`;
