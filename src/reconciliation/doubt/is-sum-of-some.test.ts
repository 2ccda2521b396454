import fc from "fast-check";
import { expect, test } from "vitest";
import { isSumOfSome } from "./is-sum-of-some.ts";

const few = fc.array(fc.bigInt({ min: 0n, max: 40n }), { maxLength: 9 });
const large = fc.array(fc.bigInt({ min: 0n, max: 10n ** 15n }), { maxLength: 9 });

/** Every sum that there is, the slow way. */
function sumsOf(quantities: readonly bigint[]): Set<bigint> {
  return quantities.reduce(
    (sums, quantity) => new Set([...sums, ...[...sums].map((sum) => sum + quantity)]),
    new Set([0n]),
  );
}

test.for([
  ["small", few],
  ["large", large],
] as const)("of %s quantities, exactly the sums of some of them are found", ([, quantities]) => {
  fc.assert(
    fc.property(quantities, fc.array(fc.boolean()), fc.bigInt({ min: -2n, max: 2n }), (all, chosen, off) => {
      const amount = all.filter((_, index) => chosen[index]).reduce((sum, one) => sum + one, 0n) + off;
      expect(isSumOfSome(all, amount)).toBe(sumsOf(all).has(amount));
    }),
  );
});

test("what some events add up to, the others leave", () => {
  fc.assert(
    fc.property(few, fc.bigInt({ min: 0n, max: 200n }), (quantities, amount) => {
      const total = quantities.reduce((sum, one) => sum + one, 0n);
      expect(isSumOfSome(quantities, amount)).toBe(isSumOfSome(quantities, total - amount));
    }),
  );
});

test("a day's worth of seals is added up in no time", () => {
  const seals = Array.from({ length: 2_880 }, (_, index) => 600n + BigInt((index * 7_919) % 1_000));
  const some = seals.filter((_, index) => index % 3 === 0).reduce((sum, one) => sum + one, 0n);
  expect(isSumOfSome(seals, some)).toBe(true);
  expect(isSumOfSome(seals, 599n)).toBe(false);
});

test("many large quantities without a common measure are not added up in every way", () => {
  const quantities = Array.from({ length: 40 }, (_, index) => 10n ** 14n + BigInt(index) ** 7n);
  expect(isSumOfSome(quantities, 20n * 10n ** 14n + 1n)).toBeUndefined();
});
