import { expect, inject } from "vitest";
import { databaseTest as test } from "../../testing/postgres/database-fixture.ts";
import { countWaitingForLocks, holdOpen } from "../../testing/postgres/locks.ts";
import { addMeterEvent } from "../../testing/rows/meter-events.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
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
