import { afterEach, beforeEach, expect, test } from "vitest";
import { openStripeAccount, type StripeAccount } from "../testing/stripe/stripe-account.ts";
import { rememberMeters } from "./remember-meters.ts";

let account: StripeAccount;

beforeEach(async () => {
  account = await openStripeAccount({ name: "meters" });
});
afterEach(() => account.stop());

const reads = () =>
  account.simulator.requests().recent.filter(({ path }) => path === "/v1/billing/meters").length;

test("meters are read once, again for an id that is not known, when they are old, and after word of a change", async () => {
  let nowMs = 0;
  const meters = rememberMeters(account.stripe, () => nowMs);
  const { temperature_readings: known } = account.meterIds;
  const before = reads();

  expect((await meters.knowing([known])).get(known)).toEqual({
    eventName: "temperature_readings",
    isActive: true,
  });
  await meters.knowing([known]);
  expect(reads() - before).toBe(1);

  const { id } = await account.stripe.billing.meters.create({
    display_name: "New",
    event_name: "new",
    default_aggregation: { formula: "sum" },
  });
  const beforeNew = reads();
  expect((await meters.knowing([known, id])).get(id)).toEqual({ eventName: "new", isActive: true });
  expect(reads() - beforeNew).toBe(1);

  await account.stripe.billing.meters.deactivate(known);
  expect((await meters.knowing([known])).get(known)).toMatchObject({ isActive: true });
  meters.forget();
  expect((await meters.knowing([known])).get(known)).toMatchObject({ isActive: false });

  await account.stripe.billing.meters.reactivate(known);
  nowMs += 600_000;
  expect((await meters.knowing([known])).get(known)).toMatchObject({ isActive: true });
});
