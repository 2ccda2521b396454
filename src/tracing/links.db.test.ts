import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { createGroupCommit } from "../intake/group-commit.ts";
import { inStoreSpan } from "../intake/store-span.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import { deliverJobPayload } from "../queue/queues.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { startCollector } from "../testing/otlp/collector.ts";
import { startTraced } from "../testing/otlp/traced.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { meterNames } from "../usage/meters.ts";
import { inSpan } from "./tracer.ts";

const stopMs = 20_000;
const linksMax = 32;
const callersTrace = "0af7651916cd43dd8448eb211c80319c";

async function collected(sampler = "parentbased_always_on") {
  const collector = await startCollector();
  const traced = await startTraced({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_TRACES_SAMPLER: sampler,
  });
  const spansOnceStopped = async () => {
    await traced.stop(stopMs);
    return collector.spans();
  };
  return { tracer: traced.tracer, spansOnceStopped };
}

async function readEntryTraces(db: Db): Promise<(string | null)[]> {
  const { rows } = await sql<{ traceparent: string | null }>`
    select traceparent from metering.meter_outbox order by occurred_at, id
  `.execute(db);
  return rows.map(({ traceparent }) => traceparent);
}

async function readJobs(db: Db): Promise<unknown[]> {
  const { rows } = await sql<{ data: unknown }>`
    select data from pgboss.job where name like 'deliver-%'
  `.execute(db);
  return rows.map(({ data }) => data);
}

test("a statement is below the first traced request that shares it, linked to the others, and names its entries", async ({
  database: { db, pool },
  road,
}) => {
  const { id } = await road.join();
  await db.insertInto("sensors").values({ organization_id: id, id: "a" }).execute();
  const { tracer, spansOnceStopped } = await collected();
  const store = createGroupCommit(pool, { tracer });
  const post = (n: number) =>
    inSpan(
      tracer,
      { name: `request ${n}`, parent: n === 0 ? `00-${callersTrace}-b7ad6b7169203331-00` : "" },
      () => store(id, [{ sensorId: "a", recordedAt: new Date(n * 1_000).toISOString(), temperature: 4 }]),
    );

  await Promise.all(Array.from({ length: 30 }, (_, n) => post(n)));

  const spans = await spansOnceStopped();
  const statements = spans.filter(({ name }) => name === "intake store");
  const [statement] = statements;
  expect(statements).toHaveLength(1);
  const spanIdOf = (n: number) => spans.find(({ name }) => name === `request ${n}`)?.spanId;
  expect(statement?.parentSpanId).toBe(spanIdOf(1));
  expect(statement?.links.map((link) => link.split(" ")[1])).toEqual(
    Array.from({ length: 28 }, (_, n) => spanIdOf(n + 2)),
  );
  expect(statement?.attributes).toMatchObject({ "meter_outbox.requests": 30, "meter_outbox.accepted": 30 });
  expect(spanIdOf(0)).toBeUndefined();
  expect(await readEntryTraces(db)).toEqual([`00-${statement?.traceId}-${statement?.spanId}-01`]);
});

test("a statement of many traced requests is linked to 32 of them", async () => {
  const { tracer, spansOnceStopped } = await collected();
  const traceparents = Array.from(
    { length: 40 },
    (_, n) => `00-${callersTrace}-${String(n + 1).padStart(16, "0")}-01`,
  );
  const batches = traceparents.map((traceparent) => ({ organizationId: "", readings: [], traceparent }));

  await inStoreSpan(tracer, batches, () => Promise.resolve([]));

  const [statement] = await spansOnceStopped();
  expect(statement?.attributes).toMatchObject({ "meter_outbox.requests": 40 });
  expect(statement?.links.map((link) => link.split(" ")[1])).toEqual(
    traceparents.slice(1, 1 + linksMax).map((traceparent) => traceparent.split("-")[2]),
  );
});

test.for([
  ["a caller says that it keeps no trace", "parentbased_always_on", `00-${callersTrace}-b7ad6b7169203331-00`],
  ["no trace is kept", "always_off", ""],
] as const)(
  "when %s, the entry names none",
  async ([, sampler, parent], { database: { db, pool }, road }) => {
    const { id } = await road.join();
    await db.insertInto("sensors").values({ organization_id: id, id: "a" }).execute();
    const { tracer, spansOnceStopped } = await collected(sampler);
    const store = createGroupCommit(pool, { tracer });

    const stored = await inSpan(tracer, { name: "request", parent }, () =>
      store(id, [{ sensorId: "a", recordedAt: new Date(0).toISOString(), temperature: 4 }]),
    );

    expect(stored).toEqual([{ status: "accepted" }]);
    expect(await spansOnceStopped()).toEqual([]);
    expect(await readEntryTraces(db)).toEqual([null]);
  },
);

test("a meter event continues its first traced entry's trace, links to 32 of them, and hands the trace to its job", async ({
  database: { db },
  boss,
  road,
}) => {
  const { id } = await road.join();
  const at = (minute: number) => ({ at: hoursAgo(3, minute), quantity: 1 });
  await appendEntries(
    db,
    id,
    Array.from({ length: 40 }, (_, minute) => at(minute)),
  );
  await sql`
    update metering.meter_outbox
    set traceparent = '00-' || md5(id::text) || '-' || left(md5(id::text || 'span'), 16) || '-01'
    where occurred_at > ${hoursAgo(3, 0)}
  `.execute(db);
  const [, ...traced] = await readEntryTraces(db);
  const { tracer, spansOnceStopped } = await collected();

  await sealDueEntries({ db, boss, tracer }, { meters: meterNames });

  const spans = await spansOnceStopped();
  const [event, seal] = ["seal meter event", "seal"].map((wanted) =>
    spans.find(({ name }) => name === wanted),
  );
  const links = traced.slice(0, linksMax).map((traceparent) => traceparent?.split("-").slice(1, 3).join(" "));
  expect(event?.links).toEqual(links);
  expect(`${event?.traceId} ${event?.parentSpanId}`).toBe(links[0]);
  expect(event?.attributes).toMatchObject({ "meter_outbox.entries": 40, "meter_outbox.quantity": 40 });
  expect(seal).toMatchObject({ parentSpanId: "", attributes: { "meter_outbox.entries": 40 } });
  expect(await readJobs(db)).toMatchObject([
    { organizationId: id, traceparent: `00-${event?.traceId}-${event?.spanId}-01` },
  ]);
});

test("what stands where a trace should be holds up neither seal nor job", async ({
  database: { db },
  boss,
  road,
}) => {
  const { id } = await road.join();
  await appendEntries(db, id, [{ at: hoursAgo(3), quantity: 5 }]);
  await sql`update metering.meter_outbox set traceparent = 'nonsense'`.execute(db);
  const { tracer, spansOnceStopped } = await collected();

  await sealDueEntries({ db, boss, tracer }, { meters: meterNames });
  await sql`update pgboss.job set data = data || '{"traceparent": 7}'`.execute(db);
  const [job] = await readJobs(db);

  expect((await spansOnceStopped()).map(({ links }) => links)).toEqual([[], []]);
  expect(deliverJobPayload.parse(job)).toMatchObject({ organizationId: id, traceparent: undefined });
  await road.startWorker();
  await road.untilBilled();
});

test("without tracing no entry and no job names a trace", async ({ database: { db, pool }, boss, road }) => {
  const { id } = await road.join();
  await db.insertInto("sensors").values({ organization_id: id, id: "a" }).execute();
  const store = createGroupCommit(pool);
  await store(id, [{ sensorId: "a", recordedAt: new Date(0).toISOString(), temperature: 4 }]);

  await sealDueEntries({ db, boss }, { meters: meterNames });

  expect(await readEntryTraces(db)).toEqual([null]);
  expect(await readJobs(db)).toEqual([{ organizationId: id, meterEventId: expect.any(String) as unknown }]);
});
