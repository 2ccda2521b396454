import { expect } from "vitest";
import { readTotal } from "../testing/rows/bill.ts";
import { findBillingViolations } from "../testing/rows/billing-violations.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";

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

test("usage that another service records for an archived organization is held, and billed once it is linked", async ({
  road,
  account,
  api,
  database,
}) => {
  const { id } = await api.join();
  const token = api.adminToken;
  const archived = await api.ask("PATCH", `/v1/organizations/${id}`, { token, json: { archived: true } });
  expect(archived.status).toBe(200);
  await database.pool.query("select metering.record_usage($1, 'temperature_readings', 5)", [id]);
  const { id: customer } = await account.stripe.customers.create({ name: "Acme" });

  const json = { stripe_customer_id: customer, status: "active" };
  const linked = await api.ask("PUT", `/v1/organizations/${id}/subscription`, { token, json });
  await road.startWorker();
  await road.untilBilled();

  expect(linked.status).toBe(200);
  expect(await readTotal(account, { customer })).toBe(5);
  expect(await findBillingViolations(database.db, account)).toEqual([]);
});
