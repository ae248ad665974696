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

export const MATH = String.raw`# Formulas

The roots of $ax^2 + bx + c = 0$ are

$$
x_{1,2} = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}
$$

and those of \(x^2 = 2\) are irrational, because \(\sqrt{2} \notin \mathbb{Q}\). A sum, an integral and a limit:

\[
\sum_{n=1}^{\infty} \frac{1}{n^2} = \frac{\pi^2}{6}, \qquad
\int_{-\infty}^{\infty} e^{-x^2}\,dx = \sqrt{\pi}, \qquad
\lim_{n \to \infty} \left(1 + \frac{1}{n}\right)^n = e
\]

Matrices and cases:

$$
R = \begin{pmatrix} \cos\theta & -\sin\theta \\ \sin\theta & \cos\theta \end{pmatrix}, \qquad
|x| = \begin{cases} x & \text{if } x \ge 0 \\ -x & \text{otherwise} \end{cases}
$$

$$
\begin{aligned}
(a + b)^2 &= (a + b)(a + b) \\
          &= a^2 + 2ab + b^2
\end{aligned}
$$

A coffee costs $3, two cost $6: money stays money.
`;

export const FOOTNOTES = `A runner is started by the first message[^start] and stopped when it is idle[^idle].

- [x] Start the runner
- [x] Answer the message
- [ ] Stop the runner[^idle]

\`\`\`mermaid
sequenceDiagram
  Person->>Router: a message
  Router->>Runner: the same message
  Runner-->>Person: an answer
\`\`\`

<details><summary>HTML</summary> stays text.</details>

[^start]: Later ones find it running, and are *not* delayed.
[^idle]: The time is a setting of each agent.
`;
