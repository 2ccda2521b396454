import { sql } from "kysely";
import { expect } from "vitest";
import { closeTest as test } from "../../testing/fixtures/close-fixture.ts";

const hourMs = 3_600_000;

test("the period of a customer that Stripe does not know fails no run, and is asked for again by the hour", async ({
  close,
  database: { db },
}) => {
  await close.addOurs(5, { stripe_customer_id: "cus_mistyped" });
  await sql`update metering.billing_periods set stripe_customer_id = 'cus_mistyped'`.execute(db);
  const before = Date.now();

  await close.look();

  expect(await close.period()).toMatchObject({ books: "unknown" });
  expect(close.told("reconcile_read_refused")).toMatchObject([
    {
      organization_id: close.organizationId,
      stripe_customer_id: "cus_mistyped",
      period_start: close.start.toISOString(),
      reason: expect.stringContaining("No such customer") as unknown,
    },
  ]);
  const { rows } = await sql<{ at: Date }>`
    select next_look_at as at from metering.billing_periods where period_start = ${close.start}
  `.execute(db);
  expect(rows[0]?.at.getTime()).toBeGreaterThanOrEqual(before + hourMs);
});

test("where Stripe refuses the sum of a customer, as of one that was deleted, what no invoice has is told all the same", async ({
  close,
  account: { stripe },
}) => {
  const { reads } = close.deps;
  const readEventSummaries: typeof reads.readEventSummaries = (asked) =>
    reads.readEventSummaries({ ...asked, customerId: "cus_unknown" });
  await close.nameSubscription(close.subscriptionId);
  await close.addOurs(10);
  await stripe.customers.del(close.customer);

  await close.look({ minutes: 25 * 60, reads: { ...reads, readEventSummaries } });

  expect(close.told("reconcile_read_refused")).toHaveLength(1);
  expect(close.told("usage_not_billed")).toMatchObject([{ quantities: { temperature_readings: "10" } }]);
  expect(await close.period()).toMatchObject({
    books: "unknown",
    notBilled: { temperature_readings: "10" },
  });
});
