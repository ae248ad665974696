/** Entries of the first agent-stack's `backends.json`, which had the rules for its runtimes in its code. */
import { expect, test } from 'bun:test';
import shapes from '../../backends/shapes.json';
import shipped from '../../backends.json';
import { missingMembers, repositoryOf, SHAPING } from '../../router/backends/missing-members';

const missing = (...entries: object[]) => missingMembers(JSON.stringify(entries));
const entry = (name: string) => shipped.find((one) => one.name === name) as unknown as Record<string, unknown>;

test('the shapes that are compared with are those of the backends.json of this repository', () => {
  const expected = shipped.flatMap(({ name, image, ...members }) => {
    const shaping = Object.entries(members).filter(([member]) => SHAPING.some((one) => one === member));
    return image === undefined ? [] : [{ name, image: repositoryOf(image), ...Object.fromEntries(shaping) }];
  });
  expect(expected.length).toBeGreaterThan(2);
  expect(shapes as object[]).toEqual(expected);
});

test('an entry of a known runtime that lacks how its requests are shaped is named, with the lines to add', () => {
  const [found] = missing({ name: 'my-claw', image: 'ghcr.io/openclaw/openclaw:latest', history: 'full' });
  expect(found?.entry).toBe('my-claw');
  const added = JSON.parse(`{${found?.add}}`);
  expect(added.headers).toEqual(entry('openclaw').headers);
  expect(added).not.toHaveProperty('history');
});

test('a known runtime is recognised by its image in another registry, by digest, or by the name of the entry', () => {
  const image = 'registry.example.org:5000/openclaw/openclaw@sha256:00';
  expect(missing({ name: 'a', image })).toHaveLength(1);
  expect(missing({ name: 'nanobot', image: 'agstack/nanobot-hkuds:0.1.5' })).toHaveLength(1);
  expect(missing({ name: 'hermes-agent', image: null, headers: null })[0]?.add).toContain('"headers"');
});

test('complete entries, and those of other runtimes, are not named', () => {
  expect(missing(...(shipped as object[]))).toEqual([]);
  expect(missing({ name: 'mine', image: 'example.org/my/agent:1' }, { name: 'cmd', cmd: ['x'] })).toEqual([]);
});
