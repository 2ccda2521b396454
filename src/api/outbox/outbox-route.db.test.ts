import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../../database/db.ts";
import { trip } from "../../delivery/pauses.ts";
import { remindToSeal } from "../../outbox/seal-job.ts";
import { sealDueEntries } from "../../outbox/seal.ts";
import { sealJobPayload, sealQueue } from "../../queue/queues.ts";
import type { Api } from "../../testing/fixtures/api-fixture.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
import { roadTest as test } from "../../testing/fixtures/road-fixture.ts";
import { meterNames } from "../../usage/meters.ts";

const none = { count: 0, quantity: 0 };
const noEvents = {
  pending: none,
  delivered: none,
  in_doubt: none,
  rejected: none,
  expired: none,
  superseded: none,
};

test("an empty outbox is told with every state at 0", async ({ api }) => {
  expect(await readOutbox(api)).toEqual({
    unsealed: { entries: 0, quantity: 0, oldest_at: null, held: { entries: 0, quantity: 0 } },
    meter_events: noEvents,
    oldest_undelivered_at: null,
    shadow: false,
    paused: [],
  });
});

test("what waits in the outbox is told with its oldest, and what is held counts in it", async ({
  api,
  database: { db },
}) => {
  const linked = await addOrganization(db, { customer: "cus_acme" });
  const unlinked = await addOrganization(db);
  await appendEntries(db, linked, [
    { at: hoursAgo(2, 10), quantity: 3 },
    { at: hoursAgo(1, 10), quantity: 4, meter: "active_sensors" },
  ]);
  await appendEntries(db, unlinked, [{ at: hoursAgo(3, 10), quantity: 5 }]);

  expect(await readOutbox(api)).toMatchObject({
    unsealed: {
      entries: 3,
      quantity: 12,
      oldest_at: hoursAgo(3, 10).toISOString(),
      held: { entries: 1, quantity: 5 },
    },
  });
});

test("meter events are counted by state, each with its quantity", async ({ api, database: { db }, boss }) => {
  await sealOneOf(db, Object.keys(noEvents));
  await sealDueEntries({ db, boss }, { meters: meterNames });
  const other = await addOrganization(db, { customer: "cus_second" });
  await appendEntries(db, other, [{ at: hoursAgo(1, 1), quantity: 100 }]);
  await sealDueEntries({ db, boss }, { meters: meterNames });
  await moveEachToItsState(db);

  expect((await readOutbox(api))["meter_events"]).toEqual({
    pending: { count: 2, quantity: 101 },
    delivered: { count: 1, quantity: 2 },
    in_doubt: { count: 1, quantity: 3 },
    rejected: { count: 1, quantity: 4 },
    expired: { count: 1, quantity: 5 },
    superseded: { count: 1, quantity: 6 },
  });
});

for (const [state, isUndelivered] of [
  ["pending", true],
  ["in_doubt", true],
  ["delivered", false],
  ["superseded", false],
] as const) {
  const isOrNot = isUndelivered ? "is" : "is not";
  test(`an old event that is ${state} ${isOrNot} the oldest undelivered`, async ({
    api,
    database: { db },
    boss,
  }) => {
    const acme = await addOrganization(db, { customer: "cus_acme" });
    await appendEntries(db, acme, [
      { at: hoursAgo(5, 30), quantity: 1 },
      { at: hoursAgo(2, 30), quantity: 2 },
    ]);
    await sealDueEntries({ db, boss }, { meters: meterNames });
    await sql`update metering.meter_events set state = ${state} where quantity = 1`.execute(db);

    const oldest = isUndelivered ? hoursAgo(5, 30) : hoursAgo(2, 30);
    expect(await readOutbox(api)).toMatchObject({ oldest_undelivered_at: oldest.toISOString() });
  });
}

test("a pause is told with its scope, reason, beginning and, if it has one, end", async ({
  api,
  database: { db },
}) => {
  const meterPause = { scope: "active_sensors", reason: "meter_unavailable", firstMs: 60_000, maxMs: 60_000 };
  await trip(db, meterPause, { isProbe: false });
  await pause(api, "key rotation");

  const { paused } = await readOutbox(api);

  const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown;
  expect(paused).toEqual([
    { scope: "account", reason: "key rotation", since: instant, until: null },
    { scope: "active_sensors", reason: "meter_unavailable", since: instant, until: instant },
  ]);
});

test("resuming ends every pause, whoever made it, and may be repeated", async ({ api, database: { db } }) => {
  const meterPause = { scope: "active_sensors", reason: "meter_unavailable", firstMs: 60_000, maxMs: 60_000 };
  await trip(db, meterPause, { isProbe: false });
  await pause(api, "key rotation");

  for (const _ of [1, 2]) {
    expect(await api.ask("POST", "/v1/delivery/resume", { token: api.adminToken })).toMatchObject({
      status: 204,
      body: {},
    });
  }
  expect(await readOutbox(api)).toMatchObject({ paused: [] });
});

test("a body that names what to resume is refused, as resuming ends every pause", async ({ api }) => {
  await pause(api, "key rotation");
  const resume = (asked: object) =>
    api.ask("POST", "/v1/delivery/resume", { token: api.adminToken, ...asked });

  expect(await resume({ json: { meter: "active_sensors" } })).toMatchObject({
    status: 400,
    body: { code: "invalid_request", errors: [{ pointer: "/meter", code: "unknown_field" }] },
  });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  expect(await resume({ text: "meter=active_sensors", headers })).toMatchObject({
    status: 400,
    body: { code: "malformed_json" },
  });
  expect(await readOutbox(api)).toMatchObject({ paused: [{ reason: "key rotation" }] });

  for (const json of [{}, null]) expect((await resume({ json })).status).toBe(204);
  expect(await readOutbox(api)).toMatchObject({ paused: [] });
});

test("a second pause changes the reason", async ({ api }) => {
  await pause(api, "key rotation");
  await pause(api, "  still not done ");

  expect(await readOutbox(api)).toMatchObject({ paused: [{ scope: "account", reason: "still not done" }] });
});

for (const [what, json, pointer] of [
  ["no reason", {}, "/reason"],
  ["a blank reason", { reason: "  " }, "/reason"],
  ["a reason that is no text", { reason: 5 }, "/reason"],
  ["a reason of more than 500 characters", { reason: "x".repeat(501) }, "/reason"],
  ["an unknown field", { reason: "key rotation", until: "tomorrow" }, "/until"],
] as const) {
  test(`a pause with ${what} is refused`, async ({ api }) => {
    const answer = await api.ask("POST", "/v1/delivery/pause", { token: api.adminToken, json });

    expect(answer).toMatchObject({ status: 400, body: { code: "invalid_request", errors: [{ pointer }] } });
    expect(await readOutbox(api)).toMatchObject({ paused: [] });
  });
}

test("asking for a seal leaves a job that is due now, also while the next one waits", async ({
  api,
  boss,
}) => {
  await remindToSeal(boss, { afterSeconds: 3_600 });

  const answer = await api.ask("POST", "/v1/outbox/seal", { token: api.adminToken });

  expect(answer).toMatchObject({ status: 202, body: { requested: true } });
  const jobs = await boss.fetch(sealQueue.name, { batchSize: 10 });
  expect(jobs.map(({ data }) => sealJobPayload.parse(data))).toEqual([{ evenIfPaused: true }]);
});

test("asking twice before anybody came leaves one job", async ({ api, boss }) => {
  for (const _ of [1, 2]) {
    const answer = await api.ask("POST", "/v1/outbox/seal", { token: api.adminToken });
    expect(answer.status).toBe(202);
  }

  expect(await boss.fetch(sealQueue.name, { batchSize: 10 })).toHaveLength(1);
});

test("only the operator's token opens these routes", async ({ api, boss }) => {
  const { key } = await api.join(["ingest", "read"]);

  for (const [method, path] of [
    ["GET", "/v1/outbox"],
    ["POST", "/v1/outbox/seal"],
    ["POST", "/v1/delivery/pause"],
    ["POST", "/v1/delivery/resume"],
  ] as const) {
    for (const token of [{}, { token: key }]) {
      const json = path.endsWith("pause") ? { json: { reason: "key rotation" } } : {};
      const answer = await api.ask(method, path, { ...token, ...json });
      expect(answer, path).toMatchObject({ status: 401, body: { code: "unauthorized" } });
    }
  }
  expect(await readOutbox(api)).toMatchObject({ paused: [] });
  expect(await boss.fetch(sealQueue.name)).toEqual([]);
});

async function readOutbox(api: Api): Promise<Record<string, unknown>> {
  const { status, body } = await api.ask("GET", "/v1/outbox", { token: api.adminToken });
  expect(status).toBe(200);
  return body;
}

async function pause(api: Api, reason: string): Promise<void> {
  const answer = await api.ask("POST", "/v1/delivery/pause", { token: api.adminToken, json: { reason } });
  expect(answer).toMatchObject({ status: 204, body: {} });
}

/** One entry for each state, each in an hour of its own; the quantity is the state's place in the list, from 1. */
async function sealOneOf(db: Db, states: readonly string[]): Promise<void> {
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await appendEntries(
    db,
    acme,
    states.map((_, index) => ({ at: hoursAgo(20 - index, 1), quantity: index + 1 })),
  );
}

async function moveEachToItsState(db: Db): Promise<void> {
  const states = Object.keys(noEvents);
  await sql`
    update metering.meter_events m
    set state = s.state
    from unnest(${states}::text[]) with ordinality s (state, place)
    where s.place = m.quantity
  `.execute(db);
}
