import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import type { Api } from "../testing/fixtures/api-fixture.ts";
import { readHours, readTotal } from "../testing/rows/bill.ts";
import { findBillingViolations } from "../testing/rows/billing-violations.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import { linkCustomer } from "../testing/rows/organizations.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";

/** Numenta Anomaly Benchmark: an industrial machine, every five minutes for eleven weeks. */
const file = new URL("../../../shared/data/machine_temperature_system_failure.csv", import.meta.url);
const isPresent = existsSync(file);
const skipped = isPresent
  ? ""
  : " (skipped: ../shared/data/machine_temperature_system_failure.csv is absent)";

const gateways = 3;
const readingsPerBatch = 1_000;
const sensor = "machine";

type SentReading = { sensor_id: string; recorded_at: string; temperature: number };

test.skipIf(!isPresent)(
  `eleven weeks of a real machine, each batch sent twice, are billed once${skipped}`,
  async ({ database: { db }, api, account, road }) => {
    const readings = await readMachine(new Date());
    const distinct = new Set(readings.map(({ recorded_at }) => recorded_at)).size;
    expect({ rows: readings.length, distinct }).toEqual({ rows: 22_695, distinct: 22_683 });
    const { id, key } = await api.join();
    await api.ask("PUT", `/v1/sensors/${sensor}`, { token: key });
    const { id: customer } = await account.stripe.customers.create({ name: "Machine" });
    await linkCustomer(db, id, { customer });
    await road.startWorker();

    await Promise.all(
      Array.from({ length: gateways }, (_, gateway) => postAllButEveryThird(api, { key, readings, gateway })),
    );
    await road.untilBilled();

    const stored = await db
      .selectFrom("readings")
      .select((row) => row.fn.countAll<string>().as("count"))
      .executeTakeFirstOrThrow();
    expect(Number(stored.count)).toBe(distinct);
    expect(await readTotal(account, { customer })).toBe(distinct);
    const hours = await readHours(account, { customer });
    expect([...hours.values()].reduce((sum, hour) => sum + hour, 0)).toBe(distinct);
    expect(await findViolations(db)).toEqual([]);
    expect(await findBillingViolations(db, account)).toEqual([]);
  },
);

/** The file's rows in its own order, their times shifted so that the last is `now`. */
async function readMachine(now: Date): Promise<SentReading[]> {
  const [, ...lines] = (await readFile(file, "utf8")).trim().split("\n");
  const rows = lines.map((line) => {
    const [time = "", value = ""] = line.trim().split(",");
    return { atMs: Date.parse(`${time.replace(" ", "T")}Z`), temperature: Number(value) };
  });
  const shiftMs = now.getTime() - (rows.at(-1)?.atMs ?? 0);
  return rows.map(({ atMs, temperature }) => ({
    sensor_id: sensor,
    recorded_at: new Date(atMs + shiftMs).toISOString(),
    temperature,
  }));
}

/** Three gateways that do so send every batch twice between them. */
async function postAllButEveryThird(
  api: Api,
  { key, readings, gateway }: { key: string; readings: readonly SentReading[]; gateway: number },
): Promise<void> {
  for (let start = 0; start < readings.length; start += readingsPerBatch) {
    if ((start / readingsPerBatch) % gateways === gateway) continue;
    const batch = readings.slice(start, start + readingsPerBatch);
    const answer = await api.ask("POST", "/v1/readings", { token: key, json: { readings: batch } });
    expect(answer.status).toBe(200);
  }
}
