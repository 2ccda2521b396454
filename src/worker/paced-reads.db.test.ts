import { sql } from "kysely";
import { expect } from "vitest";
import { reconcileQueue } from "../queue/queues.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { addOrganization } from "../testing/rows/organizations.ts";

const dayMs = 86_400_000;
const ended = 60;

test("billing periods that end together are all compared, with no read refused for the rate", async ({
  road,
  account: { simulator },
  boss,
  database: { db },
}) => {
  simulator.setSettings({ rate_limit_reads_per_second: 25 });
  const periodStart = new Date(Date.now() - 31 * dayMs);
  const periodEnd = new Date(Date.now() - dayMs);
  for (let index = 0; index < ended; index += 1) {
    const customer = `cus_${index}`;
    simulator.addCustomers(customer);
    await addOrganization(db, { customer, periodStart, periodEnd });
  }
  await road.startWorker({ RECONCILE_READS_PER_DAY: "10000" });
  await boss.send(reconcileQueue.name, {});

  const looked = async () => {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from metering.billing_periods where books <> 'unknown'
    `.execute(db);
    return rows[0]?.count;
  };
  await until(async () => (await looked()) === ended, { what: "all periods to be compared" });
  expect(simulator.state().rate_limited).toBe(0);
});
