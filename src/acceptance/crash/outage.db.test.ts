import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../../database/db.ts";
import { readPauses } from "../../delivery/pauses.ts";
import { appendEntries, type NewEntry } from "../../testing/rows/entries.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { roadTest as test } from "../../testing/fixtures/road-fixture.ts";
import { until } from "../../testing/processes/until.ts";
import type { MeterName } from "../../usage/meters.ts";
import { untilDrained } from "./drain.ts";
import { patienceMs } from "../../testing/processes/patience.ts";

/** `OUTAGE_ORGANIZATIONS=1000` is the full run. */
const organizationCount = Number(process.env["OUTAGE_ORGANIZATIONS"] ?? 50);
const outageHours = 12;
const minutes = [3, 17, 31, 45, 59];

test(
  "an outage of 12 hours drains as one meter event at most for each organization, meter and hour",
  { timeout: patienceMs(90_000 + organizationCount * 400) },
  async ({ database: { db }, account: { simulator }, road }) => {
    const customers = await Promise.all(Array.from({ length: organizationCount }, () => road.join()));
    const appendAll = (entries: readonly NewEntry[]) =>
      Promise.all(customers.map(({ id }) => appendEntries(db, id, entries)));
    const billOf = (meter: MeterName) =>
      simulator
        .bill({ end_time: hoursAgo(0).getTime() / 1_000 })
        .filter(({ event_name }) => event_name === meter)
        .map(({ total }) => Number(total));
    simulator.addFault({ kind: "status", status: 503, path: "/v1/billing/meter_events" });
    await appendAll(entriesAt(outageHours + 1, 0));
    await road.startWorker();
    await until(async () => (await readPauses(db)).length > 0, { what: "the circuit breaker to open" });
    // A seal that began before the pause could still seal the next entries.
    await untilSealed(db);

    for (const minute of minutes) {
      const hours = Array.from({ length: outageHours }, (_, n) => outageHours - n);
      await appendAll(hours.flatMap((hour) => entriesAt(hour, minute)));
      await untilSealed(db);
    }
    simulator.clearFaults();
    await sql`update metering.delivery_control set paused_until = now() where paused_until is not null`.execute(
      db,
    );
    await untilDrained(db, { withinMs: 60_000 + organizationCount * 300 });

    expect(await countEvents(db)).toEqual([
      { meter: "active_sensors", events: organizationCount * (outageHours + 1), perHourMax: 1 },
      { meter: "temperature_readings", events: organizationCount * (outageHours + 1), perHourMax: 1 },
    ]);
    expect(billOf("temperature_readings")).toEqual(
      customers.map(() => 2 * (outageHours * minutes.length + 1)),
    );
    expect(billOf("active_sensors")).toEqual(customers.map(() => lastGauge));
  },
);

const lastGauge = gaugeAt(1, minutes.at(-1) ?? 0);

function entriesAt(hour: number, minute: number): NewEntry[] {
  const at = hoursAgo(hour, minute);
  return [
    { at, quantity: 2, meter: "temperature_readings" },
    { at, quantity: gaugeAt(hour, minute), meter: "active_sensors" },
  ];
}

function gaugeAt(hour: number, minute: number): number {
  return hour * 100 + minute;
}

/** Waits until a run of the seal has ended, with or without entries. */
async function untilSealed(db: Db): Promise<void> {
  const before = await countSeals(db);
  await until(async () => (await countSeals(db)) > before, { what: "another seal" });
}

async function countSeals(db: Db): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from pgboss.job where name = 'seal-entries' and state = 'completed'
  `.execute(db);
  return rows[0]?.count ?? 0;
}

/** Of the hours before the present one, for which the worker itself may count sensors. */
async function countEvents(db: Db): Promise<unknown[]> {
  const { rows } = await sql`
    select meter, sum(events)::int as events, max(events)::int as "perHourMax"
    from (
      select organization_id, meter, hour, count(*) as events
      from metering.meter_events
      where hour < ${hoursAgo(0)}
      group by organization_id, meter, hour
    ) hours
    group by meter
    order by meter
  `.execute(db);
  return rows;
}
