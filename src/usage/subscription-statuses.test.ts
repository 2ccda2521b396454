import { expect, test } from "vitest";
import { allowedStatuses, statusesMeant, statusPattern, stripeStatuses } from "./subscription-statuses.ts";

test("Stripe's words are statuses, and the refusal names them all", () => {
  expect(stripeStatuses.filter((word) => !statusPattern.test(word))).toEqual([]);
  expect(stripeStatuses.filter((word) => !allowedStatuses.includes(word))).toEqual([]);
});

test.each(["x:beta", "x:on_hold"])("another word behind x: is a status: %s", (word) => {
  expect(statusPattern.test(word)).toBe(true);
});

test.each(["actve", "trial", "Active", "", "x:", "x:UP", "x: beta", " active", "active,trialing"])(
  "%j is no status",
  (word) => {
    expect(statusPattern.test(word)).toBe(false);
  },
);

test("a word behind x: means itself and what Stripe says", () => {
  expect(statusesMeant(["active", "x:beta"])).toEqual(["active", "x:beta", "beta"]);
});
