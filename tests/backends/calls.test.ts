/** Which call a piece belongs to, for all ways in which servers number and name calls, and for every cut. */
import { expect, test } from 'bun:test';
import { CallReader } from '../../backends/shared/calls';

interface Call {
  readonly id: string;
  readonly name: string;
  readonly args: string;
}
type Piece = Record<string, unknown>;
/** The pieces of one call, its arguments cut in two. */
type Style = (call: Call, place: number, cut: readonly [string, string]) => Piece[];

const fn = (name: unknown, args: unknown) => ({ function: { name, arguments: args } });
const STYLES: Readonly<Record<string, Style>> = {
  'as OpenAI does': ({ id, name }, index, [a, b]) => [
    { index, id, type: 'function', ...fn(name, '') },
    { index, function: { arguments: a } },
    { index, function: { arguments: b } },
  ],
  'all with index 0': ({ id, name }, _, [a, b]) => [
    { index: 0, id, ...fn(name, a) },
    { index: 0, function: { arguments: b } },
  ],
  'without an index': ({ id, name }, _, [a, b]) => [{ id, ...fn(name, a) }, { function: { arguments: b } }],
  'the id and the name with each piece': ({ id, name }, _, [a, b]) => [
    { index: 0, id, ...fn(name, '') },
    { index: 0, id, ...fn(name, a) },
    { index: 0, id, ...fn(name, b) },
  ],
  'an empty id, name and type with later pieces': ({ id, name }, _, [a, b]) => [
    { index: 0, id, type: 'function', ...fn(name, a) },
    { index: 0, id: '', type: '', ...fn('', b) },
  ],
  'nulls in later pieces': ({ id, name }, index, [a, b]) => [
    { index, id, ...fn(name, a) },
    { index, id: null, type: null, ...fn(null, b) },
  ],
  'an index that grows with each piece': ({ id, name }, index, [a, b]) => [
    { index: 10 * index, id, ...fn(name, a) },
    { index: 10 * index + 1, id, ...fn(null, b) },
  ],
  'whole, without index or id': ({ name, args }) => [fn(name, args)],
  'whole, with index 0 and an empty id': ({ name, args }) => [{ index: 0, id: '', ...fn(name, args) }],
  'whole, with one id for all': ({ name, args }, index) => [{ index, id: '0', ...fn(name, args) }],
  'whole, arguments as an object': ({ id, name, args }) => [{ index: 0, id, ...fn(name, JSON.parse(args)) }],
  'whole, and said again at the end': ({ id, name, args }) => [
    { index: 0, id, ...fn(name, args) },
    { index: 0, id, ...fn(name, args) },
  ],
  'the id after the name': ({ id, name }, index, [a, b]) => [
    { index, ...fn(name, '') },
    { index, id, function: { arguments: a } },
    { index, function: { arguments: b } },
  ],
  'the name in pieces': ({ id, name }, index, [a, b]) => [
    { index, id, ...fn(name.slice(0, 3), '') },
    { index, ...fn(name.slice(3), '') },
    { index, function: { arguments: a } },
    { index, function: { arguments: b } },
  ],
  'the id as a number': ({ name }, index, [a, b]) => [
    { index, id: index, ...fn(name, a) },
    { index, function: { arguments: b } },
  ],
};

const CALLS: readonly Call[] = [
  { id: 'call_a', name: 'get_weather', args: '{"city":"Pa}\\"ris","at":[1,{"x":"]"}]}' },
  { id: 'call_b', name: 'get_weather', args: '{"city":"Rome"}' },
  { id: 'call_c', name: 'get_time', args: '{}' },
  { id: 'call_d', name: 'get_weather', args: '{"city":"Rome"}' },
];

/** What comes out of lists of pieces. */
function read(lists: readonly Piece[][]) {
  const reader = new CallReader((place) => `made_${place}`);
  const calls: { id: string; name: string; args: string }[] = [];
  for (const { index, isNew, id, name, arguments: args } of lists.flatMap((list) => reader.read(list))) {
    expect(isNew).toBe(index === calls.length);
    const call = calls[index] ?? { id, name: '', args: '' };
    expect(id).toBe(call.id);
    calls[index] = { id, name: call.name + name, args: call.args + args };
  }
  return calls;
}

for (const [style, piecesOf] of Object.entries(STYLES)) {
  test(`calls are told apart that come ${style}`, () => {
    for (let at = 1; at < 40; at += 1) {
      const cut = ({ args }: Call) => [args.slice(0, at), args.slice(at)] as const;
      const pieces = CALLS.flatMap((call, place) => piecesOf(call, place, cut(call)).filter((one) => !isNothing(one)));
      const calls = read(pieces.map((piece) => [piece]));
      expect([at, calls.map(({ name, args }) => [name, args])]).toEqual([
        at,
        CALLS.map(({ name, args }) => [name, args]),
      ]);
      expect(calls.every(({ id }) => id !== '')).toBe(true);
    }
  });
}

/** Cut behind the end there is no second piece. */
function isNothing({ function: called }: Piece): boolean {
  const { name, arguments: args } = (called ?? {}) as { name?: unknown; arguments?: unknown };
  return !name && args === '' && name !== undefined;
}

test('whole calls in one list are as many calls, whatever they lack', () => {
  const [a, b] = CALLS as [Call, Call];
  for (const more of [{}, { index: 0 }, { index: 0, id: '' }, { id: 'same' }, { id: null }]) {
    const calls = read([
      [
        { ...more, ...fn(a.name, a.args) },
        { ...more, ...fn(b.name, b.args) },
      ],
    ]);
    expect([more, calls.map(({ args }) => args)]).toEqual([more, [a.args, b.args]]);
  }
});

test('a value that is no list of pieces has no calls, and throws nothing', () => {
  for (const nonsense of [null, undefined, 'x', 7, {}, [null], [[]], ['x'], [7]])
    expect(read([nonsense as Piece[]])).toEqual([]);
  const odd = [[{ index: '0', id: {}, function: 'f' }], [{ function: { name: 7, arguments: 7 } }], [{ function: [] }]];
  expect(read(odd as Piece[][]).length).toBeLessThanOrEqual(3);
});

test('members that nobody knows come with the call they were said of', () => {
  const reader = new CallReader(() => 'made');
  const signed = { id: 'a', ...fn('f', '{}'), extra_content: { google: { thought_signature: 's' } }, index: 0 };
  expect(reader.read([signed])[0]?.more).toEqual({ extra_content: { google: { thought_signature: 's' } } });
  expect(reader.read([{ extra_content: 2 }])[0]).toMatchObject({ index: 0, isNew: false, more: { extra_content: 2 } });
});
