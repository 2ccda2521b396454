import { sql } from "kysely";
import { expect } from "vitest";
import { closeTest as test } from "../../testing/fixtures/close-fixture.ts";
import { readStatement } from "./statement.ts";

const pending = {
  state: "pending",
  attempts_started: 0,
  attempts_finished: 0,
  last_attempt_at: null,
  delivered_at: null,
};
const carry = { lateUsage: "carry_forward" } as const;

test("what was delivered after the invoice was final is named as not billed, with the amount", async ({
  close,
  account: { stripe, simulator },
  database: { db },
}) => {
  await close.addOurs(10);
  await close.countTheirs(10);
  const id = close.endPeriod();
  await stripe.invoices.finalizeInvoice(id);
  await close.countTheirs(7);
  const late = await close.addOurs(7, { delivered_at: new Date() });
  await close.adopt(id);

  await close.look({ settleSeconds: 0 });

  expect(await close.period()).toMatchObject({ books: "equal", notBilled: { temperature_readings: "7" } });
  expect(close.told("usage_not_billed")).toMatchObject([{ quantities: { temperature_readings: "7" } }]);
  const { meters } = await readStatement(db, await close.period());
  expect(meters[0]).toMatchObject({
    sent: "17",
    stripe: "17",
    invoiced: "10",
    difference: "7",
    rows: [{ kind: "late", quantity: "7", difference: "7", meterEventId: late }],
  });

  const reads = () => simulator.requests().by_route["GET /v1/subscriptions"];
  const before = reads();
  await close.look({ settleSeconds: 0 });
  expect(reads()).toBe(before);
  expect(await close.period()).toMatchObject({ notBilled: { temperature_readings: "7" } });
});

test("what an invoice inside the period lacks is not late while the draft at its end takes it", async ({
  close,
  database: { db },
}) => {
  const { organizationId, customer, subscriptionId, start, end } = close;
  await close.addOurs(10, { event_at: start });
  await close.addOurs(8);
  await close.countTheirs(10, { at: start });
  await close.countTheirs(8);
  const at = new Date(start.getTime() + 60_000);
  await sql`
    insert into metering.billing_invoices (
      organization_id, invoice_id, period_start, stripe_customer_id, stripe_subscription_id, billing_reason, status, invoiced,
      created_at, finalized_at, read_began_at
    )
    values (
      ${organizationId}, 'in_price_changed', ${start}, ${customer}, ${subscriptionId}, 'subscription_update', 'paid',
      '{"temperature_readings": "10"}', ${at}, ${at}, ${end}
    )
  `.execute(db);
  const id = close.endPeriod();
  await close.adopt(id);

  await close.look({ minutes: 30, settleSeconds: 0 });

  const period = await close.period();
  expect(period).toMatchObject({ closedAt: expect.any(Date), books: "equal", notBilled: null });
  expect((await readStatement(db, period)).meters[0]).toMatchObject({ difference: "0", rows: [] });

  await sql`
    update metering.billing_invoices set status = 'deleted', read_began_at = now() + interval '1 hour' where invoice_id = ${id}
  `.execute(db);
  await close.look({ minutes: 30, settleSeconds: 0 });
  expect(await close.period()).toMatchObject({ notBilled: { temperature_readings: "8" } });
});

test("it is carried forward once, whoever looks how often, and stands in both statements", async ({
  close,
  account: { stripe },
  database: { db },
}) => {
  await close.addOurs(10);
  await close.countTheirs(10);
  const id = close.endPeriod();
  await stripe.invoices.finalizeInvoice(id);
  await close.countTheirs(7);
  await close.addOurs(7, { delivered_at: new Date() });
  await close.adopt(id);

  await close.look({ ...carry, settleSeconds: 0 });
  await Promise.all([close.look(carry), close.look(carry)]);

  const carried = await db
    .selectFrom("meter_events")
    .select(["id", "quantity", "state", "event_at"])
    .where("carried_from", "=", close.start)
    .execute();
  expect(carried).toMatchObject([{ quantity: "7", state: "pending" }]);
  expect(carried[0]?.event_at.getTime()).toBeGreaterThan(close.end.getTime());
  const old = await readStatement(db, await close.period());
  expect(await close.period()).toMatchObject({ notBilled: null });
  expect(old.meters[0]).toMatchObject({ difference: "0" });
  expect(old.meters[0]?.rows.map(({ kind, difference }) => [kind, difference])).toEqual([
    ["late", "7"],
    ["carried_forward", "-7"],
  ]);
  const running = await readStatement(db, {
    ...(await close.period()),
    start: close.end,
    end: close.nextEnd,
    closedAt: null,
  });
  expect(running.meters[0]?.rows).toMatchObject([
    { kind: "pending", quantity: "7" },
    { kind: "carried_in", quantity: "7", difference: "0", ofPeriod: close.start },
  ]);
});

test("usage that never left is sent in the running period in place of the old event", async ({
  close,
  account: { stripe },
  database: { db },
}) => {
  const id = close.endPeriod();
  await stripe.invoices.finalizeInvoice(id);
  const unsent = await close.addOurs(4, pending);
  const attempted = await close.addOurs(5, {
    ...pending,
    attempts_started: 1,
    attempts_finished: 1,
    first_unknown_at: new Date(),
  });
  await close.adopt(id);

  await close.look();
  expect(await close.period()).toMatchObject({ books: "open", notBilled: { temperature_readings: "9" } });
  await close.look(carry);
  await close.look(carry);

  const events = await db
    .selectFrom("meter_events")
    .select(["id", "state", "reason", "replaced_by_id", "replaces_id", "carried_from", "quantity"])
    .orderBy("id")
    .execute();
  const [first, second, third] = events;
  expect(events).toHaveLength(3);
  expect(first).toMatchObject({
    id: unsent,
    state: "superseded",
    reason: "carried_forward",
    replaced_by_id: third?.id,
  });
  expect(second).toMatchObject({ id: attempted, state: "pending" });
  expect(third).toMatchObject({
    state: "pending",
    replaces_id: unsent,
    quantity: "4",
    carried_from: close.start,
  });
  expect(await close.period()).toMatchObject({ notBilled: { temperature_readings: "5" } });
});

test("an amount that late deliveries do not explain is left to people", async ({
  close,
  account: { stripe },
  database: { db },
}) => {
  await close.addOurs(10);
  await close.countTheirs(10);
  const id = close.endPeriod();
  await stripe.invoices.finalizeInvoice(id);
  await close.adopt(id);
  // As after a plan was changed: the invoice has less than Stripe's sum, and nothing was delivered late.
  await db
    .updateTable("billing_invoices")
    .set({ invoiced: JSON.stringify({ temperature_readings: "3", active_sensors: "0" }) })
    .execute();

  await close.look({ ...carry, settleSeconds: 0 });

  expect(await close.period()).toMatchObject({ books: "equal", notBilled: { temperature_readings: "7" } });
  const { meters } = await readStatement(db, await close.period());
  expect(meters[0]?.rows).toMatchObject([{ kind: "unexplained", difference: "7" }]);
  expect(close.told("late_usage_carried_forward")).toEqual([]);
});

test("usage of the neighbouring periods in the first and last minute is taken off", async ({
  close,
  database: { db },
}) => {
  const before = new Date(Math.floor(close.start.getTime() / 60_000) * 60_000);
  const after = new Date(Math.ceil(close.end.getTime() / 60_000) * 60_000 - 1_000);
  const events = [
    [close.start, 10],
    [new Date(close.end.getTime() - 1_000), 20],
    ...(before < close.start ? [[before, 3] as const] : []),
    ...(after > close.end ? [[after, 4] as const] : []),
  ] as const;
  for (const [at, quantity] of events) {
    await close.addOurs(quantity, { event_at: at });
    await close.countTheirs(quantity, { at });
  }
  const id = close.endPeriod();
  await close.adopt(id);

  await close.look();

  const { meters } = await readStatement(db, await close.period());
  expect(meters[0]).toMatchObject({ sent: "30", stripe: "30", difference: "0", rows: [] });
});
