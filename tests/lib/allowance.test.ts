/** What is held of an allowance. */
import { expect, spyOn, test } from 'bun:test';
import { Allowance, Share } from '../../router/lib/allowance';

test('what a share has taken is given back at its end, and it takes nothing afterwards', () => {
  const allowance = new Allowance({ total: 10, perHolder: 10 });
  const share = new Share(allowance, 'alice');
  expect([share.grow(8), share.grow(3)?.code, allowance.total]).toEqual([undefined, 'too_much_at_once', 8]);
  share.end();
  expect([share.grow(8), allowance.total]).toEqual([undefined, 0]);
});

test('who takes nothing leaves nothing behind', () => {
  const allowance = new Allowance({ total: 10, perHolder: 10 });
  using set = spyOn(Map.prototype, 'set');
  const share = allowance.take('nobody', 0);
  expect(set).not.toHaveBeenCalledWith('nobody', expect.anything());
  expect(share.grow(1)).toBeUndefined();
  expect(set).toHaveBeenCalledWith('nobody', 1);
  share.end();
});

test('a share that is handed on is never free meanwhile, and takes only what it lacks', () => {
  const allowance = new Allowance({ total: 10, perHolder: 10 });
  const [long, short] = [allowance.take('alice', 6), allowance.take('alice', 1)];
  const body = long.handOn(4);
  expect([allowance.total, long.grow(1), allowance.total]).toEqual([5, undefined, 5]);
  expect(() => short.handOn(7)).toThrow();
  expect(allowance.total).toBe(5);
  const all = short.handOn(6);
  expect(allowance.total).toBe(10);
  for (const one of [body, long, short, all, all]) one.end();
  expect(allowance.total).toBe(0);
});

test('one that has ended hands nothing on', () => {
  const allowance = new Allowance({ total: 10, perHolder: 10 });
  const ended = allowance.take('alice', 6);
  ended.end();
  ended.handOn(6).end();
  expect(allowance.total).toBe(0);
});
