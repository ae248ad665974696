/** A minute of `bun run soak`: the worst inputs at once, in 512 MB, while somebody who behaves chats. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { soak, toMb } from './soak';
import { ATTACKS } from './soak/attacks';

const SECONDS = 60;
/** Attacks end by themselves, on a busy machine late. */
setDefaultTimeout(SECONDS * 5_000);

test('well-behaved clients get every answer while the router is attacked in 512 MB, and the router does not end', async () => {
  const figures = await soak({ seconds: SECONDS, attacks: Object.keys(ATTACKS), say: console.log });
  if (typeof figures === 'string') {
    if (process.env.CI === 'true') throw new Error(`The soak must run in CI: ${figures}`);
    console.log(`Not run: ${figures}.`);
    return;
  }
  const { answers, failures, endedAfter, residentBytes, slowestMs } = figures;
  console.log(`${answers} answers, the slowest in ${slowestMs} ms; ${toMb(residentBytes)} at most`);
  expect({ failures, endedAfter }).toEqual({ failures: [], endedAfter: [] });
  expect(answers).toBeGreaterThan(0);
});
