import { expect, test } from "vitest";
import type { InvoiceRead, MeteredLine } from "../stripe/invoices.ts";
import { invoiceUsage } from "./invoice-usage.ts";

const day = (n: number) => new Date(Date.UTC(2026, 10, n));
const second = 1_000;

const account = {
  meters: new Map([
    ["mtr_readings", { eventName: "readings", isActive: true }],
    ["mtr_readings_of_old", { eventName: "readings", isActive: false }],
    ["mtr_sensors", { eventName: "sensors", isActive: true }],
    ["mtr_tokens", { eventName: "tokens", isActive: true }],
  ]),
  eventNames: { temperature_readings: "readings", active_sensors: "sensors" },
};

function invoice(change: Partial<InvoiceRead> = {}): InvoiceRead {
  return {
    id: "in_1",
    customerId: "cus_1",
    subscriptionId: "sub_1",
    billingReason: "subscription_cycle",
    status: "paid",
    createdAt: day(10),
    finalizesAt: null,
    finalizedAt: day(10),
    paidAt: null,
    periodStart: day(1),
    periodEnd: day(10),
    ...change,
  };
}

function line(meterId: string, quantity: string, change: Partial<MeteredLine> = {}): MeteredLine {
  return {
    meterId,
    priceId: `price_of_${meterId}`,
    quantity,
    periodStart: day(1),
    periodEnd: day(10),
    ...change,
  };
}

test("a meter's lines are added up, over the whole time that they cover", () => {
  const lines = [
    line("mtr_readings", "5", { periodEnd: day(4) }),
    line("mtr_readings_of_old", "7", { periodStart: day(4) }),
    line("mtr_sensors", "3"),
    line("mtr_tokens", "100", { periodStart: day(20), periodEnd: day(30) }),
  ];
  expect(invoiceUsage(invoice(), lines, account)).toEqual({
    start: day(1),
    end: day(10),
    shortest: { start: day(1), end: day(4) },
    invoiced: { temperature_readings: "12", active_sensors: "3" },
    billedTwice: [],
  });
});

test("an invoice without a line of ours tells nothing", () => {
  expect(invoiceUsage(invoice(), [], account)).toBeUndefined();
  expect(invoiceUsage(invoice(), [line("mtr_tokens", "5")], account)).toBeUndefined();
  expect(invoiceUsage(invoice(), [line("mtr_gone", "5")], account)).toBeUndefined();
});

test("of prices with intervals of their own the shortest is told", () => {
  const monthly = line("mtr_sensors", "3");
  const weekly = line("mtr_readings", "5", { periodStart: day(8) });

  for (const lines of [
    [monthly, weekly],
    [weekly, monthly],
  ]) {
    expect(invoiceUsage(invoice(), lines, account)).toMatchObject({
      start: day(1),
      shortest: { start: day(8), end: day(10) },
    });
  }
});

test("a line of a moment is no interval", () => {
  const moment = line("mtr_readings", "5", { periodStart: day(10) });
  expect(invoiceUsage(invoice(), [line("mtr_sensors", "3"), moment], account)?.shortest).toEqual({
    start: day(1),
    end: day(10),
  });
});

test("after a pause it is the usage of before it, also where a price was added since", () => {
  const before = line("mtr_readings", "5", { periodEnd: day(2) });
  const since = { periodStart: day(4) };
  const lines = [line("mtr_sensors", "3", since), before, line("mtr_readings", "7", since)];
  expect(invoiceUsage(invoice(), lines, account)?.shortest).toEqual({ start: day(1), end: day(2) });
});

test("a line without any time tells of no period", () => {
  expect(
    invoiceUsage(invoice(), [line("mtr_readings", "5", { periodEnd: day(1) })], account),
  ).toBeUndefined();
});

test("the first invoice of a subscription tells of no usage by the items of the period that begins", () => {
  const first = invoice({ billingReason: "subscription_create", createdAt: day(1) });
  expect(invoiceUsage(first, [line("mtr_readings", "0"), line("mtr_sensors", "0")], account)).toBeUndefined();
});

test("the first invoice of a backdated subscription bills the usage until it was made, and no other", () => {
  const first = invoice({ billingReason: "subscription_create" });
  const untilLater = (ms: number) => ({ periodEnd: new Date(day(10).getTime() + ms) });
  const told = line("mtr_readings", "5", untilLater(60 * second));
  const announced = line("mtr_sensors", "9", untilLater(60 * second + 1));

  expect(invoiceUsage(first, [told, announced], account)).toEqual({
    start: day(1),
    end: told.periodEnd,
    shortest: { start: day(1), end: told.periodEnd },
    invoiced: { temperature_readings: "5" },
    billedTwice: [],
  });
});

test("an invoice that begins a period at once tells of the usage before it, and not of the period that it announces", () => {
  const reset = invoice({ billingReason: "subscription_update", createdAt: day(5) });
  const announced = { periodStart: day(5) };
  const used = line("mtr_readings", "7", { periodEnd: day(5) });

  expect(invoiceUsage(reset, [line("mtr_readings", "0", announced)], account)).toBeUndefined();
  expect(
    invoiceUsage(
      reset,
      [used, line("mtr_readings", "0", announced), line("mtr_sensors", "0", announced)],
      account,
    ),
  ).toMatchObject({ start: day(1), end: day(5), invoiced: { temperature_readings: "7" }, billedTwice: [] });
});

test("a line of nothing tells of usage when its time has begun before the invoice was made", () => {
  const early = invoice({ createdAt: day(5) });
  expect(invoiceUsage(early, [line("mtr_readings", "0")], account)).toMatchObject({
    invoiced: { temperature_readings: "0" },
    billedTwice: [],
  });
});

test.each(["subscription_cycle", "subscription_update", "subscription_threshold", "manual", null])(
  "an invoice for the reason %s bills the lines of a period that goes on, too",
  (billingReason) => {
    const early = invoice({ billingReason, createdAt: day(5) });
    expect(invoiceUsage(early, [line("mtr_readings", "5")], account)).toMatchObject({
      invoiced: { temperature_readings: "5" },
      billedTwice: [],
    });
  },
);

test("a meter whose usage of one time lines of two prices bill is billed twice, and no other is", () => {
  const old = line("mtr_readings", "5");
  const added = line("mtr_readings", "3", { priceId: "price_added", periodStart: day(4) });
  const twice = (...lines: MeteredLine[]) => invoiceUsage(invoice(), lines, account)?.billedTwice;

  expect(twice(old, added, line("mtr_sensors", "3"))).toEqual(["temperature_readings"]);
  expect(twice(old, { ...added, quantity: "0" })).toEqual([]);
  // A tier, a price that was changed, and another meter.
  expect(twice(old, line("mtr_readings", "3"))).toEqual([]);
  expect(twice({ ...old, periodEnd: day(4) }, added)).toEqual([]);
  expect(twice(old, line("mtr_sensors", "3"))).toEqual([]);
});
