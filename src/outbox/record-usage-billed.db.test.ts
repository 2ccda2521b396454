import { expect } from "vitest";
import { readTotal } from "../testing/rows/bill.ts";
import { findBillingViolations } from "../testing/rows/billing-violations.ts";
import { roadTest as test } from "../testing/fixtures/road-test.ts";

test("usage that another service records is billed once", async ({ road, account, database }) => {
  const { id, customer } = await road.join();
  const record = "select metering.record_usage($1, 'temperature_readings', $2, idempotency_key => $3)";
  for (const [quantity, key] of [
    [7, "a"],
    [9, "b"],
    [7, "a"],
  ]) {
    await database.pool.query(record, [id, quantity, key]);
  }

  await road.startWorker();
  await road.untilBilled();

  expect(await readTotal(account, { customer })).toBe(16);
  expect(await findBillingViolations(database.db, account)).toEqual([]);
});
