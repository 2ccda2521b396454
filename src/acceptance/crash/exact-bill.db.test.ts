import { expect } from "vitest";
import { resumeDelivery } from "../../delivery/pauses.ts";
import { repeat } from "../../process/wait.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { linkCustomer } from "../../testing/rows/organizations.ts";
import { roadTest as test } from "../../testing/fixtures/road-fixture.ts";
import type { Api } from "../../testing/fixtures/api-fixture.ts";
import { acceptingAndFailing } from "./faults.ts";
import { untilDrained } from "./drain.ts";
import { type Account, findLosses } from "./ledger.ts";
import { patienceMs } from "../../testing/processes/patience.ts";

/** `BILL_READINGS=100000` is the full run. */
const readings = Number(process.env["BILL_READINGS"] ?? 5_000);
const organizationCount = 50;
/** Several batches for each organization, so that the hour's usage goes out in several events. */
const batchSize = Math.min(500, readings / organizationCount / 4);
const sensorId = "sensor-1";

test(
  "readings are billed exactly by a Stripe that cuts every third connection after accepting and fails after accepting another fifth",
  { timeout: patienceMs(60_000 + readings * 5) },
  async ({ api, account, database, road }) => {
    for (const fault of acceptingAndFailing) account.simulator.addFault(fault);
    const customers = await Promise.all(
      Array.from({ length: organizationCount }, async (_, n) => {
        const customer = `cus_${n}`;
        const { id: organizationId, key } = await api.join(["ingest"]);
        account.simulator.addCustomers(customer);
        await linkCustomer(database.db, organizationId, { customer });
        await api.ask("PUT", `/v1/sensors/${sensorId}`, { token: key, json: {} });
        return { organizationId, customer, key };
      }),
    );
    await road.startWorker();

    const accounts: Account[] = customers.map((one) => ({ ...one, acknowledged: [] }));
    const perOrganization = readings / organizationCount;
    for (let from = 0; from < perOrganization; from += batchSize) {
      const moments = Array.from({ length: batchSize }, (_, n) => momentOf(from + n));
      for (const { key } of customers) await post(api, key, moments);
      for (const one of accounts) one.acknowledged = [...one.acknowledged, ...moments];
    }
    // This Stripe fails so often that pauses begin, and they grow with each failed probe.
    const onError = (error: unknown) => {
      throw error;
    };
    const resuming = repeat(async () => void (await resumeDelivery(database.db)), {
      everyMs: 1_000,
      onError,
    });
    try {
      await untilDrained(database.db, { withinMs: 60_000 + readings });
    } finally {
      await resuming.stop();
    }

    const { simulator } = account;
    expect(await findLosses({ db: database.db, simulator, workersMax: 1 }, accounts)).toEqual([]);
    const bills = simulator.bill().filter(({ event_name }) => event_name === "temperature_readings");
    expect(bills.reduce((sum, { total }) => sum + Number(total), 0)).toBe(readings);
    expect(simulator.state().duplicates).toBeGreaterThan(organizationCount / 5);
  },
);

function momentOf(n: number): string {
  return new Date(hoursAgo(30 * 24).getTime() + n * 1_000).toISOString();
}

async function post(api: Api, key: string, moments: readonly string[]): Promise<void> {
  const json = moments.map((recorded_at) => ({ sensor_id: sensorId, recorded_at, temperature: 4.5 }));
  const { status, body } = await api.ask("POST", "/v1/readings", { token: key, json });
  expect({ status, accepted: body["accepted"] }).toEqual({ status: 200, accepted: moments.length });
}
