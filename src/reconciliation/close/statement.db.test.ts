import { describe, expect, inject } from "vitest";
import type { Db } from "../../database/db.ts";
import { databaseTest as test } from "../../testing/postgres/database-fixture.ts";
import { countWaitingForLocks, holdOpen } from "../../testing/postgres/locks.ts";
import { addMeterEvent } from "../../testing/rows/meter-events.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
import type { MeterName } from "../../usage/meters.ts";
import { type Look, writeLooks } from "../looks.ts";
import { findPeriod } from "./billing-periods.ts";
import { readStatement } from "./statement.ts";

const dayMs = 86_400_000;

test("a meter event that is delivered while a statement is read is in one state in all parts of it", async ({
  database: { db, pool },
}) => {
  const periodStart = new Date(Date.now() - dayMs);
  const periodEnd = new Date(Date.now() + dayMs);
  const id = await addOrganization(db, { customer: "cus_1", periodStart, periodEnd });
  await addMeterEvent(db, { organization_id: id, quantity: 5 });
  const period = await findPeriod(db, id, periodStart);
  if (period === undefined) throw new Error("the period is missing");
  const release = await holdOpen(pool, "lock table metering.billing_invoices in access exclusive mode");
  const reading = readStatement(db, period);
  await expect.poll(() => countWaitingForLocks(pool)).toBe(1);
  const now = new Date();
  await db.updateTable("meter_events").set({ state: "delivered", delivered_at: now }).execute();
  await release();

  const [meter] = (await reading).meters;

  const five = { count: 1, quantity: "5" };
  const row = { kind: "pending", quantity: "5", difference: "5" };
  const pending = { states: { pending: five }, sent: "0", difference: "5", rows: [row] };
  const delivered = { states: { delivered: five }, sent: "5", difference: "0", rows: [] };
  // On a cluster the moment is that of the node, which is not asked before the lock is free.
  expect(meter).toMatchObject(inject("testServer").cluster === undefined ? pending : delivered);
  const [later] = (await readStatement(db, period)).meters;
  expect(later).toMatchObject(delivered);
});

test("of the next period's usage only what was delivered before Stripe's sum was read is taken off that sum", async ({
  database: { db },
}) => {
  const minute = Math.floor(Date.now() / 60_000) * 60_000;
  const periodStart = new Date(minute - dayMs);
  const periodEnd = new Date(minute - 90_000);
  const inLastMinute = new Date(periodEnd.getTime() + 1_000);
  const id = await addOrganization(db, { customer: "cus_1", periodStart, periodEnd });
  const lookedAtMs = Date.now();
  const addDelivered = (when: "before" | "after", quantity: number, meter: MeterName, at: Date) =>
    addMeterEvent(db, {
      organization_id: id,
      meter,
      quantity,
      event_at: at,
      state: "delivered",
      delivered_at: new Date(lookedAtMs + (when === "before" ? -1_000 : 60_000)),
    });
  const inPeriod = new Date(periodEnd.getTime() - 60_000);
  await addDelivered("before", 30, "temperature_readings", inPeriod);
  await addDelivered("before", 4, "temperature_readings", inLastMinute);
  await addDelivered("before", 7, "active_sensors", inPeriod);
  const look = { start: periodStart, end: new Date(minute - 60_000), organizationId: id, customer: "cus_1" };
  await writeLooks(
    db,
    [
      { ...equal, ...look, meter: "temperature_readings", ours: "34", theirs: "34" },
      { ...equal, ...look, meter: "active_sensors", ours: "7", theirs: "7" },
    ],
    "close",
  );
  await addDelivered("after", 5, "temperature_readings", inLastMinute);
  await addDelivered("after", 8, "active_sensors", new Date(inPeriod.getTime() + 1_000));
  const period = await findPeriod(db, id, periodStart);
  if (period === undefined) throw new Error("the period is missing");

  const { meters } = await readStatement(db, period);

  expect(meters.map(({ meter, stripe }) => [meter, stripe])).toEqual([
    ["temperature_readings", "30"],
    ["active_sensors", "7"],
  ]);
});

const hourMs = 3_600_000;
const secondsAgo = (seconds: number) => new Date(Date.now() - seconds * 1_000);

/** Keeps a paid invoice of an organization's period, which it closes. */
async function addInvoice(
  db: Db,
  organizationId: string,
  invoice: { periodStart: Date; finalizedAt: Date; invoiced: Partial<Record<MeterName, string>> },
): Promise<void> {
  await db
    .insertInto("billing_invoices")
    .values({
      organization_id: organizationId,
      invoice_id: "in_1",
      period_start: invoice.periodStart,
      stripe_customer_id: "cus_1",
      billing_reason: "subscription_cycle",
      status: "paid",
      invoiced: JSON.stringify(invoice.invoiced),
      created_at: invoice.finalizedAt,
      finalized_at: invoice.finalizedAt,
      read_began_at: invoice.finalizedAt,
    })
    .execute();
  await db
    .updateTable("billing_periods")
    .set({ closed_at: invoice.finalizedAt })
    .where("organization_id", "=", organizationId)
    .execute();
}

/** What the statement of the organization's period says of readings. */
async function readReadings(db: Db, organizationId: string, periodStart: Date) {
  const period = await findPeriod(db, organizationId, periodStart);
  if (period === undefined) throw new Error("the period is missing");
  const [readings] = (await readStatement(db, period)).meters;
  return {
    difference: readings?.difference,
    rows: readings?.rows.map(({ kind, difference }) => [kind, difference]),
  };
}

describe("of a period whose usage came after its invoice was final", () => {
  const periodStart = secondsAgo(60 * 3_600);
  const finalizedAt = secondsAgo(10 * 3_600);

  async function addLate(db: Db, invoiced: Partial<Record<MeterName, string>>): Promise<string> {
    const periodEnd = secondsAgo(12 * 3_600);
    const id = await addOrganization(db, { customer: "cus_1", periodStart, periodEnd });
    await addMeterEvent(db, {
      organization_id: id,
      quantity: 45,
      event_at: new Date(periodStart.getTime() + 60_000),
      state: "delivered",
      delivered_at: secondsAgo(3_600),
    });
    await addInvoice(db, id, { periodStart, finalizedAt, invoiced });
    return id;
  }

  test("a meter that the invoice bills has late rows", async ({ database: { db } }) => {
    const id = await addLate(db, { temperature_readings: "0" });

    const told = await readReadings(db, id, periodStart);

    expect(told).toEqual({ difference: "45", rows: [["late", "45"]] });
  });

  test("what the invoice has all the same has none, and what it has more than all of it is unexplained", async ({
    database: { db },
  }) => {
    const id = await addLate(db, { temperature_readings: "45" });
    const late = { event_at: new Date(periodStart.getTime() + 120_000), delivered_at: secondsAgo(3_600) };
    expect(await readReadings(db, id, periodStart)).toEqual({ difference: "0", rows: [] });

    await addMeterEvent(db, { organization_id: id, quantity: 7, state: "delivered", ...late });
    expect(await readReadings(db, id, periodStart)).toEqual({ difference: "7", rows: [["late", "7"]] });

    await db
      .updateTable("billing_invoices")
      .set({ invoiced: JSON.stringify({ temperature_readings: "46" }) })
      .execute();
    expect(await readReadings(db, id, periodStart)).toEqual({
      difference: "6",
      rows: [
        ["late", "45"],
        ["late", "7"],
        ["unexplained", "-46"],
      ],
    });
  });

  test("a meter that no invoice has a price for has none, and nothing unexplained: its usage is named", async ({
    database: { db },
  }) => {
    const id = await addLate(db, { active_sensors: "3" });

    const told = await readReadings(db, id, periodStart);

    expect(told).toEqual({ difference: "0", rows: [["no_price", "0"]] });
    await db
      .updateTable("billing_invoices")
      .set({ created_at: secondsAgo(50 * 3_600) })
      .execute();
    expect(await readReadings(db, id, periodStart)).toEqual({ difference: "0", rows: [] });
  });

  test("usage of a void invoice is named", async ({ database: { db } }) => {
    const id = await addLate(db, { temperature_readings: "45" });
    await db.updateTable("billing_periods").set({ closed_at: null }).execute();
    await db.updateTable("billing_invoices").set({ status: "void" }).execute();

    expect(await readReadings(db, id, periodStart)).toEqual({ difference: "0", rows: [["void", "0"]] });

    await db.updateTable("billing_invoices").set({ status: "draft" }).execute();
    expect(await readReadings(db, id, periodStart)).toEqual({ difference: "0", rows: [] });
  });
});

describe("an hour that Stripe lacked usage of", () => {
  const hour = Math.floor(Date.now() / hourMs) * hourMs - 10 * hourMs;
  // The period begins inside the hour, whose look reaches back before it.
  const periodStart = new Date(hour + 41 * 60_000);
  const periodEnd = new Date(hour + 5 * hourMs + 41 * 60_000);

  /** The hour and the whole period lack it, and then the period is looked at again. */
  async function addShortHour(
    db: Db,
    { isSentAgain = false, lastLook }: { isSentAgain?: boolean; lastLook: "equal" | "different" },
  ): Promise<string> {
    const id = await addOrganization(db, { customer: "cus_1", periodStart, periodEnd });
    const of = { organizationId: id, customer: "cus_1", meter: "temperature_readings", ours: "45" } as const;
    const short = { ...equal, ...of, theirs: "0", result: "different" } as const;
    const whole = { start: periodStart, end: periodEnd };
    const looks = [
      { ...short, start: new Date(hour), end: new Date(hour + hourMs) },
      { ...short, ...whole },
    ];
    await writeLooks(db, looks, "close");
    await addMeterEvent(db, {
      organization_id: id,
      quantity: 45,
      event_at: new Date(periodStart.getTime() + 60_000),
      state: "delivered",
      delivered_at: isSentAgain ? new Date(Date.now() + 1_000) : secondsAgo(7_200),
    });
    if (lastLook === "equal") await writeLooks(db, [{ ...equal, ...of, ...whole, theirs: "45" }], "close");
    return id;
  }

  test("is a row while the whole period is not equal", async ({ database: { db } }) => {
    const id = await addShortHour(db, { lastLook: "different" });

    const told = await readReadings(db, id, periodStart);

    expect(told).toEqual({ difference: "45", rows: [["stripe_differs", "45"]] });
  });

  test("is one row, also where parts of it were looked at alone", async ({ database: { db } }) => {
    const id = await addShortHour(db, { lastLook: "different" });
    const of = { organizationId: id, customer: "cus_1", meter: "temperature_readings", ours: "45" } as const;
    const short = { ...equal, ...of, theirs: "0", result: "different" } as const;
    const parts = [
      { start: new Date(hour), end: new Date(hour + 51 * 60_000) },
      { start: new Date(hour), end: new Date(hour + 52 * 60_000) },
      { start: periodStart, end: new Date(hour + hourMs) },
      // All of a stretch that is shorter than an hour, and lies in two.
      { start: periodStart, end: new Date(hour + hourMs + 10 * 60_000) },
    ];
    await writeLooks(
      db,
      parts.map((part) => ({ ...short, ...part })),
      "operator",
    );

    const told = await readReadings(db, id, periodStart);

    expect(told).toEqual({ difference: "45", rows: [["stripe_differs", "45"]] });
  });

  test("is none once the whole period was found equal", async ({ database: { db } }) => {
    const id = await addShortHour(db, { lastLook: "equal" });

    const told = await readReadings(db, id, periodStart);

    expect(told).toEqual({ difference: "0", rows: [] });
  });

  test("is a row of an invoice that was final before Stripe counted it", async ({ database: { db } }) => {
    const id = await addShortHour(db, { lastLook: "equal" });
    const invoiced = { temperature_readings: "0" };
    await addInvoice(db, id, { periodStart, finalizedAt: secondsAgo(200), invoiced });

    const told = await readReadings(db, id, periodStart);

    expect(told).toEqual({ difference: "45", rows: [["stripe_differs", "45"]] });
  });

  test("is none beside the late row of usage that was sent again", async ({ database: { db } }) => {
    const id = await addShortHour(db, { isSentAgain: true, lastLook: "equal" });
    const invoiced = { temperature_readings: "0" };
    await addInvoice(db, id, { periodStart, finalizedAt: secondsAgo(200), invoiced });

    const told = await readReadings(db, id, periodStart);

    expect(told).toEqual({ difference: "45", rows: [["late", "45"]] });
  });
});

const equal = {
  doubtful: "0",
  events: 1,
  fingerprint: "1",
  reads: 1,
  result: "equal",
  reason: null,
  readAt: new Date(),
} satisfies Partial<Look>;
