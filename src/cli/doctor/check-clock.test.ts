import { expect, test } from "vitest";
import { checkClock } from "./check-clock.ts";

const waits = "so usage waits until Stripe's clock is near enough to take it";
const minutes = (count: number) => count * 60_000;

test.each([
  [0, 0],
  [59_000, -400],
  [undefined, 59_000],
  [-59_000, undefined],
])("clocks less than a minute apart are well: database %j, Stripe %j", (databaseMs, stripeMs) => {
  expect(checkClock({ databaseMs, stripeMs })).toMatchObject({ state: "ok" });
});

test.each([
  [minutes(10), minutes(10), "this machine's is 600 s behind"],
  [minutes(-10), minutes(-10), "this machine's is 600 s ahead"],
  [minutes(-1), undefined, "this machine's is 60 s ahead"],
  [undefined, minutes(1), "this machine's is 60 s behind"],
  [minutes(3), 0, "the database's is 180 s ahead"],
  [minutes(10), 0, `the database's is 600 s ahead, ${waits}`],
  [0, minutes(-10), `this machine's and the database's are 600 s ahead by Stripe's, ${waits}`],
  [minutes(10), minutes(-10), "this machine's is 600 s ahead by Stripe's and 600 s behind by the database's"],
])("the clock that is wrong is named: database %j, Stripe %j", (databaseMs, stripeMs, detail) => {
  expect(checkClock({ databaseMs, stripeMs })).toMatchObject({ state: "problem", detail });
});

test("without another clock, ours cannot be judged", () => {
  expect(checkClock({ databaseMs: undefined, stripeMs: undefined })).toMatchObject({ state: "unchecked" });
});
