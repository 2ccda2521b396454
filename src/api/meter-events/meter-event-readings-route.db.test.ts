import { sql } from "kysely";
import { expect } from "vitest";
import { z } from "zod";
import { encodeCursor } from "../../http/cursor.ts";
import { sealDueEntries } from "../../outbox/seal.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { localOnly } from "../../testing/postgres/local-only.ts";
import { holdOpen } from "../../testing/postgres/locks.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { meterEventsTest, unknownId } from "../../testing/fixtures/meter-events-fixture.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
import { meterNames } from "../../usage/meters.ts";

const pageSchema = z.object({
  data: z.array(z.looseObject({ sensor_id: z.string(), entry_id: z.uuid() })),
  next_cursor: z.string().nullable(),
});

/** A reading that comes so late was recorded in a month before. */
const anotherMonthHours = 960;

/** Vitest's `test` with readings that a gateway sent within one hour; each request has an entry of its own. */
const test = meterEventsTest.extend("billed", async ({ events, database: { db }, boss }) => {
  const organization = await addOrganization(db, { customer: "cus_acme" });

  /** Stores readings of the sensors and their entry, so many minutes into an hour; each was recorded so many hours before. */
  async function store(
    minute: number,
    sensors: readonly string[],
    { owner = organization, hoursLate = sensors.map((_, n) => (n + 1) * anotherMonthHours) } = {},
  ): Promise<void> {
    const at = hoursAgo(2, minute);
    await sql`
      with entry as materialized (select metering.uuid_v7(${at}::timestamptz) as id),
      counted as (
        insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
        select ${owner}, ${at}, id, 'temperature_readings', ${sensors.length} from entry
      )
      insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
      select ${owner}, s.id, ${at}::timestamptz - s.late * interval '1 hour', 4.5, e.id
      from entry e, unnest(${sensors}::text[], ${hoursLate}::int[]) s (id, late)
    `.execute(db);
  }
  /** Seals all that is stored; the id of this organization's meter event. */
  async function seal(owner = organization): Promise<string> {
    await sealDueEntries({ db, boss }, { meters: meterNames });
    const found = db.selectFrom("meter_events").select("id").where("organization_id", "=", owner);
    return (await found.orderBy("id", "desc").executeTakeFirstOrThrow()).id;
  }
  /** The sensors of all readings behind an event, page by page. */
  async function pagesOf(id: string, limit: number): Promise<string[][]> {
    const pages: string[][] = [];
    let query = `?limit=${limit}`;
    for (;;) {
      const { data, next_cursor: cursor } = pageSchema.parse(
        (await events.ask("GET", `/${id}/readings${query}`)).body,
      );
      pages.push(data.map(({ sensor_id }) => sensor_id));
      if (cursor === null) return pages;
      query = `?limit=${limit}&cursor=${cursor}`;
    }
  }
  return { organization, store, seal, pagesOf };
});

test("the readings behind a meter event are told with the entry that counts each", async ({
  billed,
  events,
}) => {
  await billed.store(10, ["b", "a"]);
  const id = await billed.seal();

  const { status, body } = await events.ask("GET", `/${id}/readings`);
  const { body: shown } = await events.ask("GET", `/${id}`);
  expect(status).toBe(200);
  const [entry] = z.array(z.object({ id: z.uuid() })).parse(shown["entries"]);
  const reading = (sensor: string, recorded: Date) => ({
    organization_id: billed.organization,
    sensor_id: sensor,
    recorded_at: recorded.toISOString().replace("Z", "000Z"),
    temperature: 4.5,
    entry_id: entry?.id,
  });
  const stored = hoursAgo(2, 10).getTime();
  const daysMs = 86_400_000;
  expect(body).toEqual({
    data: [reading("a", new Date(stored - 80 * daysMs)), reading("b", new Date(stored - 40 * daysMs))],
    next_cursor: null,
    readings_kept_from: null,
  });
});

test("readings of other organizations, hours and events are not among them", async ({
  billed,
  database: { db },
}) => {
  const other = await addOrganization(db, { customer: "cus_other" });
  await billed.store(10, ["first"]);
  await billed.store(30, ["first-too"]);
  await billed.store(20, ["others"], { owner: other });
  const first = await billed.seal();
  await billed.store(20, ["late"]);
  const second = await billed.seal();
  const others = await billed.seal(other);

  expect(await billed.pagesOf(first, 10)).toEqual([["first", "first-too"]]);
  expect(await billed.pagesOf(second, 10)).toEqual([["late"]]);
  expect(await billed.pagesOf(others, 10)).toEqual([["others"]]);
});

for (const limit of [1, 2, 3, 7, 8, 500]) {
  test(`pages of ${limit} hold each reading once, whichever entries they are cut in`, async ({ billed }) => {
    await billed.store(10, ["a", "b", "c"]);
    await billed.store(20, ["a"]);
    await billed.store(30, ["a", "b", "c", "d"]);
    const all = ["a", "b", "c", "a", "a", "b", "c", "d"];

    const pages = await billed.pagesOf(await billed.seal(), limit);
    expect(pages.flat()).toEqual(all);
    expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true);
    expect(pages).toHaveLength(Math.ceil(all.length / limit));
  });
}

test("a reading of a month before is told beside those of the event's own month", async ({ billed }) => {
  await billed.store(10, ["a", "b", "c"], { hoursLate: [0, anotherMonthHours, 0] });
  await billed.store(20, ["d"], { hoursLate: [0] });
  const id = await billed.seal();

  expect(await billed.pagesOf(id, 500)).toEqual([["a", "b", "c", "d"]]);
  expect(await billed.pagesOf(id, 2)).toEqual([
    ["a", "b"],
    ["c", "d"],
  ]);
});

test.skipIf(localOnly("the coordinator locks every month for each question"))(
  "where an event's own month has all of its readings, no other month is asked",
  async ({ billed, database: { pool } }) => {
    await billed.store(10, ["a", "b", "c"], { hoursLate: [0, 0, 0] });
    const id = await billed.seal();
    const release = await holdOpen(pool, "lock table metering.readings_default in access exclusive mode");

    expect(await billed.pagesOf(id, 2)).toEqual([["a", "b"], ["c"]]);
    await release();
  },
);

test("entries that no reading stands behind do not cut the list short", async ({
  billed,
  database: { db },
}) => {
  await billed.store(10, ["a"]);
  const bare = [20, 21, 22].map((minute) => ({ at: hoursAgo(2, minute), quantity: 1_000 }));
  await appendEntries(db, billed.organization, bare);
  await billed.store(30, ["b", "c"]);
  const id = await billed.seal();

  expect(await billed.pagesOf(id, 2)).toEqual([["a", "b"], ["c"]]);
});

test("an event without readings has none", async ({ events, billed }) => {
  const id = await events.seal({ meter: "active_sensors" });

  expect(await billed.pagesOf(id, 10)).toEqual([[]]);
});

test("an event that replaces another has the first one's readings", async ({
  events,
  billed,
  database: { db },
}) => {
  const doubt = (id: string) =>
    db.updateTable("meter_events").set({ state: "in_doubt" }).where("id", "=", id).execute();
  await billed.store(10, ["a", "b"]);
  const doubted = await billed.seal();
  const resolve = async (id: string) => {
    const answer = await events.ask("POST", `/${id}/resolve`, {
      resolution: "not_delivered",
      reason: "lost",
    });
    return z.object({ replaced_by: z.uuid() }).parse(answer.body).replaced_by;
  };
  await doubt(doubted);
  const replacement = await resolve(doubted);
  await doubt(replacement);

  for (const id of [doubted, replacement, await resolve(replacement)]) {
    expect(await billed.pagesOf(id, 1)).toEqual([["a"], ["b"]]);
  }
});

test("an unknown meter event has no readings to list", async ({ events }) => {
  for (const id of [unknownId, "nonsense"]) {
    expect(await events.ask("GET", `/${id}/readings`)).toMatchObject({
      status: 404,
      body: { code: "not_found" },
    });
  }
});

for (const [query, parameter] of [
  ["?limit=0", "limit"],
  ["?limit=501", "limit"],
  ["?cursor=nonsense", "cursor"],
  [`?cursor=${Buffer.from('["a","b","c"]').toString("base64url")}`, "cursor"],
] as const) {
  test(`the list ${query} is refused, with the parameter's name`, async ({ events }) => {
    const answer = await events.ask("GET", `/${await events.seal()}/readings${query}`);

    expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: parameter }] } });
  });
}

test("a cursor's time may have any offset, and any number of digits", async ({ events }) => {
  const id = await events.seal();
  for (const time of ["2026-11-20T10:00:00+16:00", `2026-11-20T10:00:00.${"1".repeat(130)}Z`]) {
    const answer = await events.ask("GET", `/${id}/readings?cursor=${encodeCursor([unknownId, "a", time])}`);
    expect(answer, time).toMatchObject({ status: 200 });
  }
});

test("the list is for operators", async ({ api, events }) => {
  const { key } = await api.join();
  const path = `/v1/meter-events/${await events.seal()}/readings`;

  for (const token of [undefined, key]) {
    const answer = await api.ask("GET", path, token === undefined ? {} : { token });
    expect(answer.status).toBe(401);
  }
});
