import fc from "fast-check";
import { expect, test } from "vitest";
import { isConfirmed, judgeGauge, judgeSum, nextLookAt, type PastLook, sameSince } from "./doubt-rules.ts";

const hourMs = 3_600_000;
const quantities = fc.array(fc.bigInt({ min: 0n, max: 1_000n }), { minLength: 1, maxLength: 12 });
const certain = fc.bigInt({ min: 0n, max: 1_000_000n });
const add = (all: readonly bigint[]) => all.reduce((sum, one) => sum + one, 0n);

/** A window of which Stripe counted the chosen doubtful events, and of all together sees `hidden` less by now. */
const anyWindow = fc
  .record({ certain, doubtful: quantities, hidden: fc.bigInt({ min: 0n, max: 2_000n }) })
  .chain((window) =>
    fc.record({
      window: fc.constant(window),
      counted: fc.array(fc.boolean(), {
        minLength: window.doubtful.length,
        maxLength: window.doubtful.length,
      }),
    }),
  )
  .map(({ window, counted }) => {
    const found = add(window.doubtful.filter((_, index) => counted[index] === true));
    return { ...window, found, truth: window.certain + found };
  });

test("when Stripe's sum has settled, the bill is exact after every verdict", () => {
  fc.assert(
    fc.property(anyWindow, ({ certain: sure, doubtful, found, truth }) => {
      const verdict = judgeSum({ theirs: `${truth}`, certain: sure, doubtful, isStable: true });
      const sentAgain =
        verdict.kind === "none" ? add(doubtful) : verdict.kind === "part" ? verdict.missing : 0n;
      expect(verdict.kind).toBe(found === add(doubtful) ? "all" : found === 0n ? "none" : "part");
      expect(truth + sentAgain).toBe(sure + add(doubtful));
    }),
  );
});

test("one look at a sum that lags never says that usage is absent", () => {
  fc.assert(
    fc.property(anyWindow, ({ certain: sure, doubtful, found, truth, hidden }) => {
      const theirs = `${truth > hidden ? truth - hidden : 0n}`;
      const { kind } = judgeSum({ theirs, certain: sure, doubtful, isStable: false });
      expect(["all", "wait"]).toContain(kind);
      expect(kind === "all" && found < add(doubtful)).toBe(false);
    }),
  );
});

test("an event that counts nothing is found wherever it is", () => {
  const nothing = { certain: 7n, doubtful: [0n, 0n], isStable: false };
  expect(judgeSum({ ...nothing, theirs: "7" })).toEqual({ kind: "all" });
});

test.for([
  ["more than all", "16", "more_than_all"],
  ["less than is certain", "9", "less_than_none"],
  ["a part that none of the events add up to", "14", "no_sum_of_some"],
  ["a fraction", "12.5", "not_exact"],
  ["a negative fraction", "-0.1", "not_exact"],
  ["more digits than a floating-point number has", "9007199254740993", "not_exact"],
  ["an exponent", "1e21", "not_exact"],
] as const)("%s is unclear", ([, theirs, reason]) => {
  const window = { certain: 10n, doubtful: [2n, 3n], isStable: true };
  expect(judgeSum({ ...window, theirs })).toEqual({ kind: "unclear", reason });
});

test("more than all is unclear at once, and less may still lag", () => {
  const window = { certain: 10n, doubtful: [2n, 3n], isStable: false };
  expect(judgeSum({ ...window, theirs: "16" })).toMatchObject({ kind: "unclear" });
  for (const theirs of ["9", "10", "12", "14"]) {
    expect(judgeSum({ ...window, theirs })).toEqual({ kind: "wait" });
  }
});

test("after a restore more than all is all, as the lost database had more", () => {
  const window = { certain: 10n, doubtful: [2n, 3n], isStable: false, mayHaveMore: true };
  expect(judgeSum({ ...window, theirs: "18" })).toEqual({ kind: "all" });
  expect(judgeSum({ ...window, theirs: "12" })).toEqual({ kind: "wait" });
});

test.for([
  ["its value", "5", false, { kind: "all" }],
  ["an older value, seen once", "4", false, { kind: "wait" }],
  ["an older value, seen twice", "4", true, { kind: "none" }],
  ["a value that we never sent", "6", true, { kind: "unclear", reason: "no_sum_of_some" }],
  ["a fraction", "0.5", true, { kind: "unclear", reason: "not_exact" }],
] as const)("of a gauge, %s says so", ([, theirs, stable, verdict]) => {
  const evidence = { latest: 5n, older: [4n], mayBeEmpty: false };
  expect(judgeGauge({ ...evidence, theirs, isStable: stable })).toEqual(verdict);
});

test.for([
  ["a value, and Stripe has perhaps nothing", 5n, true, false, { kind: "wait" }],
  ["a value, and Stripe has twice perhaps nothing", 5n, true, true, { kind: "none" }],
  [
    "a value, and Stripe has a 0 that we never sent",
    5n,
    false,
    true,
    { kind: "unclear", reason: "no_sum_of_some" },
  ],
  ["a 0, and Stripe has perhaps nothing", 0n, true, false, { kind: "wait" }],
  ["a 0, and Stripe has twice perhaps nothing", 0n, true, true, { kind: "none" }],
  ["a 0 after another value of the window", 0n, false, false, { kind: "all" }],
] as const)("of a gauge in doubt, with a sum of 0: %s", ([, latest, mayBeEmpty, isStable, verdict]) => {
  expect(judgeGauge({ theirs: "0", latest, older: [4n], mayBeEmpty, isStable })).toEqual(verdict);
});

const look = (minute: number, theirs = "10", fingerprint = "a"): PastLook => {
  return { theirs, fingerprint, readAt: new Date(minute * 60_000) };
};

test("looks agree as long as none of them was another", () => {
  expect(sameSince([look(90), look(60), look(30, "9"), look(0)])).toEqual(look(60).readAt);
  expect(sameSince([look(90), look(60, "10", "b"), look(30)])).toEqual(look(90).readAt);
  expect(sameSince([look(90), look(0)])).toEqual(look(0).readAt);
});

test("two looks are enough when they are far enough apart", () => {
  expect(isConfirmed([look(60), look(0)], hourMs)).toBe(true);
  expect(isConfirmed([look(59), look(0)], hourMs)).toBe(false);
  expect(isConfirmed([look(60), look(30, "9"), look(0)], hourMs)).toBe(false);
  expect(isConfirmed([look(60)], hourMs)).toBe(false);
});

test("what stays unclear is looked at more and more rarely, once a day in the end", () => {
  const looks: [PastLook, ...PastLook[]] = [look(0)];
  const waits: number[] = [];
  for (let count = 0; count < 9; count += 1) {
    const at = nextLookAt(looks, hourMs);
    waits.push((at.getTime() - looks[0].readAt.getTime()) / hourMs);
    looks.unshift({ ...look(0), readAt: at });
  }
  expect(waits).toEqual([1, 1, 2, 4, 8, 16, 24, 24, 24]);
});
