import { sql } from "kysely";
import pg from "pg";
import { expect, inject } from "vitest";
import { openDatabase } from "../../database/pool.ts";
import { createShards } from "../../database/shards.ts";
import { askThrough } from "../../database/shards-of.ts";
import { createSettler } from "../../delivery/settler.ts";
import { type TakenJob, takeJobs } from "../../delivery/take-jobs.ts";
import { countChangedSensors, countSensors } from "../../intake/count-sensors.ts";
import { registerSensors } from "../../intake/sensors.ts";
import { silentLog } from "../../log.ts";
import { listDueOnShard } from "../../outbox/due-organizations.ts";
import { readOrganizationTotals } from "../../outbox/organization-totals.ts";
import { readPeriodEntries } from "../../outbox/period-entries.ts";
import { countPeriodReadings } from "../../outbox/period-readings.ts";
import { sealDueEntries } from "../../outbox/seal.ts";
import { sealSlices } from "../../outbox/seal-slices.ts";
import { readUninvoiced } from "../../outbox/uninvoiced.ts";
import { readUsage } from "../../outbox/usage.ts";
import { readWaitingUsage } from "../../outbox/waiting-usage.ts";
import { remindToDeliver } from "../../queue/deliver-job.ts";
import { renderLook } from "../../reconciliation/compared-windows.ts";
import type { Look } from "../../reconciliation/looks.ts";
import { listBooks } from "../../reconciliation/close/list-books.ts";
import { readPeriodEvents } from "../../reconciliation/close/period-events.ts";
import { roadTest } from "../../testing/fixtures/road-fixture.ts";
import { createTestApi } from "../../testing/processes/api-app.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { addDueEvent, readMeterEvent } from "../../testing/rows/meter-events.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
import { meterNames } from "../../usage/meters.ts";
import { outlivesDrop } from "../../testing/postgres/outlives-drop.ts";

/** Postgres plans a statement for its parameters so often before it keeps one plan for all. */
const usesUntilKept = 6;
const isOnCluster = inject("testServer").cluster !== undefined;

/**
 * On a cluster these pools refuse every statement that reaches more than one shard, and so do its nodes, for what a
 * function runs there.
 */
const test = roadTest.extend("ofOneShard", async ({ database, api }, { onCleanup }) => {
  await sql`
    select run_command_on_workers(
      format('alter database %I set citus.multi_task_query_log_level = error', current_database())
    )
  `.execute(database.db);
  const open = (role: "api" | "worker", planning = {}) => {
    const url = new URL(database.as(role).url);
    url.searchParams.set("options", "-c citus.multi_task_query_log_level=error");
    const way = { connectionString: url.href, applicationName: "one shard", connectionsMax: 2, ...planning };
    return { ...openDatabase(way, silentLog), url: url.href };
  };
  const [ofApi, worker] = [open("api"), open("worker", { plansByIndex: true, keepsPlans: true })];
  // Its own connections to the nodes are made after the setting.
  const nodes = outlivesDrop(new pg.Pool({ connectionString: database.url, max: 1 }));
  onCleanup(async () => void (await Promise.all([ofApi.close(), worker.close(), nodes.end()])));
  const { app } = createTestApi(ofApi, { adminToken: api.adminToken });
  return { app, pool: ofApi.pool, db: ofApi.db, worker, nodes };
});

test.runIf(isOnCluster)(
  "a POST of one organization's readings reaches one shard alone, also with readings that are stored already or of no sensor",
  async ({ api, ofOneShard }) => {
    const { key } = await api.join(["ingest"]);
    for (const sensor of ["a", "b"]) await api.ask("PUT", `/v1/sensors/${sensor}`, { token: key, json: {} });
    const recordedAt = new Date(Date.now() - 60_000).toISOString();
    const post = async (...sensors: string[]) => {
      const readings = sensors.map((sensor_id) => ({
        sensor_id,
        recorded_at: recordedAt,
        temperature: 4.5,
      }));
      const answer = await ofOneShard.app.request("/v1/readings", {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify({ readings }),
      });
      return { status: answer.status, body: await answer.json() };
    };

    expect(await post("a", "b")).toMatchObject({ status: 200, body: { accepted: 2 } });
    expect(await post("a", "nowhere")).toMatchObject({
      status: 200,
      body: { duplicates: 1, rejected: 1 },
    });
    const ofAll = "select count(*) from metering.readings";
    await expect(ofOneShard.pool.query(ofAll)).rejects.toThrow("multi-task");
    const { rows } = await ofOneShard.nodes.query<{ result: string }>(
      `select result from run_command_on_workers('${ofAll}')`,
    );
    expect(rows.map(({ result }) => result)).toEqual(rows.map(() => expect.stringContaining("multi-task")));
    expect(rows).toHaveLength(2);
  },
);

test.runIf(isOnCluster)(
  "the seal of one organization's entries, and the beginning and settling of its attempt, reach one shard alone",
  async ({ database: { db }, boss, ofOneShard: { worker } }) => {
    const meter = "temperature_readings";
    const organizationId = await addOrganization(db, { customer: "cus_acme" });
    await appendEntries(db, organizationId, [
      { at: hoursAgo(3, 1), quantity: 5 },
      { at: hoursAgo(3, 2), quantity: 7 },
    ]);

    const filter = { meter, cutOff: new Date(), only: undefined } as const;
    const organizations = await listDueOnShard(worker.db, filter, [organizationId]);
    const untilMs = Date.now() + 60_000;
    const input = {
      ...filter,
      organizations,
      slicesEach: 2,
      entriesMax: 100,
      isTraced: false,
      eventsPerShipmentMin: 8,
      untilMs,
      isOneShard: true,
    };
    const { events } = await worker.db.transaction().execute((trx) => sealSlices(trx, input));
    expect(events).toMatchObject([{ organizationId, entries: 2 }]);

    await remindToDeliver(boss, events);
    const shards = createShards(askThrough(worker.db));
    const deps = { db: worker.db, boss, log: silentLog, shards };
    const { taken } = await takeJobs(deps, meter, { room: 10, leaseSeconds: 45 });
    const [job] = taken;
    if (job === undefined) throw new Error("no attempt was begun");
    await createSettler(deps).settle(deliveredBy(job));
    expect(await readMeterEvent(db, job.attempt)).toMatchObject({ state: "delivered", quantity: "12" });

    await expect(worker.pool.query("select count(*) from metering.meter_events")).rejects.toThrow(
      "multi-task",
    );
  },
);

test.runIf(isOnCluster)(
  "the count of one organization's sensors reaches its shard alone",
  async ({ database: { db }, ofOneShard: { worker } }) => {
    const organizationId = await addOrganization(db, { customer: "cus_acme" });
    await registerSensors(db, organizationId, [{ id: "a" }, { id: "b" }]);

    const asked = { billableStatuses: ["active"], organizationIds: [organizationId] };
    expect(await countSensors(worker.db, asked)).toMatchObject({ organizations: 1, sensors: 2 });
    await registerSensors(db, organizationId, [{ id: "c" }]);
    const changed = await countChangedSensors(worker.db, { billableStatuses: ["active"], quietSeconds: 0 });
    expect(changed).toMatchObject({ organizations: 1, sensors: 3 });
  },
);

test.runIf(isOnCluster)(
  "attempts go on reaching one shard alone when a connection has begun and settled many",
  async ({ database: { db }, boss, ofOneShard: { worker } }) => {
    const deps = { db: worker.db, boss, log: silentLog, shards: createShards(askThrough(worker.db)) };
    const organizationId = await addOrganization(db, { customer: "cus_1" });
    const options = { room: 10, leaseSeconds: 45 };
    for (let use = 0; use <= usesUntilKept; use += 1) {
      const key = await addDueEvent({ db, boss }, { organization_id: organizationId });
      const { taken } = await takeJobs(deps, "temperature_readings", options);
      expect(taken).toMatchObject([{ attempt: key }]);
      await Promise.all(taken.map((job) => createSettler(deps).settle(deliveredBy(job))));
      expect(await readMeterEvent(db, key)).toMatchObject({ state: "delivered" });
    }
  },
);

test.runIf(isOnCluster)(
  "usage, readings, waiting usage, statements, books and compared hours of one organization reach its shard alone",
  async ({ database: { db }, boss, ofOneShard }) => {
    const organizationId = await addOrganization(db, { customer: "cus_acme" });
    await appendEntries(db, organizationId, [
      { at: hoursAgo(5, 1), quantity: 5 },
      { at: hoursAgo(5, 1), quantity: 3, meter: "active_sensors" },
    ]);
    await sealDueEntries({ db, boss }, { meters: meterNames });
    await appendEntries(db, organizationId, [{ at: hoursAgo(4, 2), quantity: 7 }]);
    const time = { customer: "cus_acme", start: hoursAgo(6, 30), end: hoursAgo(1, 30) };
    const asked = { organizationId, times: [time] };

    const span = {
      from: time.start,
      to: time.end,
      keptFrom: null,
      granularity: "hour",
      timeZone: "UTC",
    } as const;
    for (const meter of meterNames) {
      const buckets = await readUsage(ofOneShard.db, organizationId, { ...span, meter });
      expect(buckets.filter(({ quantity }) => quantity > 0)).toHaveLength(meter === "active_sensors" ? 1 : 2);
    }
    expect(await readPeriodEntries(ofOneShard.db, asked)).toMatchObject([
      expect.arrayContaining([expect.objectContaining({ meter: "temperature_readings", quantity: "12" })]),
    ]);
    expect((await readPeriodEvents(ofOneShard.db, asked)).flat()).toHaveLength(2);
    const hour = { start: hoursAgo(5, 0), end: hoursAgo(4, 0), customer: time.customer };
    const compared = await renderLook(ofOneShard.db, lookAt({ organizationId, ...hour }));
    expect(compared.events).toMatchObject([{ quantity: "5", attempts: [] }]);
    expect(await countPeriodReadings(ofOneShard.db, asked)).toEqual([0]);
    expect(await readUninvoiced(ofOneShard.db, { organizationIds: [organizationId] })).toEqual([]);
    expect(await readWaitingUsage(ofOneShard.db, organizationId)).toMatchObject({ isUnsealed: true });
    await sql`
      insert into metering.billing_periods (organization_id, period_start, period_end, stripe_customer_id)
      values (${organizationId}, ${time.start}, ${time.end}, ${time.customer})
    `.execute(db);
    expect(await listBooks(ofOneShard.db, { organizationId, limit: 10 })).toMatchObject([{ invoices: [] }]);
    const total = { organizationId, from: time.start, to: time.end };
    expect(await readOrganizationTotals(ofOneShard.db, "temperature_readings", [total])).toMatchObject([
      { used: "12" },
    ]);
  },
);

function lookAt(window: Pick<Look, "organizationId" | "customer" | "start" | "end">): Look {
  const sums = { ours: "0", doubtful: "0", theirs: "5", events: 0, fingerprint: "0", reads: 1 };
  const judged = { result: "different", reason: null } as const;
  return { ...window, ...sums, ...judged, meter: "temperature_readings", readAt: new Date() };
}

function deliveredBy({ attempt, job }: TakenJob) {
  return {
    attempt,
    job,
    durationMs: 1,
    answer: { kind: "success", httpStatus: 200, requestId: "req_1" },
    verdict: { kind: "delivered", isDuplicate: false },
    outcome: { state: "delivered", reason: "accepted" },
  } as const;
}
