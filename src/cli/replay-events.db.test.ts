import { expect } from "vitest";
import { sql } from "kysely";
import { stripeEventsQueue } from "../queue/queues.ts";
import { cliTest as test } from "../testing/fixtures/cli-fixture.ts";

const replay = ["stripe", "replay", "--since"];
const hourSeconds = 3_600;

/** An event of the past, made by hand. */
const paid = (id: string, hoursAgo: number) => ({
  id,
  type: "invoice.paid",
  created: Math.floor(Date.now() / 1_000) - Math.round(hoursAgo * hourSeconds),
  data: { object: { id: "in_1", customer: "cus_1" } },
});

test("events that never arrived are stored in their order, with their jobs", async ({
  cli,
  account,
  boss,
  database: { db },
}) => {
  for (const [id, hoursAgo] of [["evt_old", 3] as const, ["evt_1", 2] as const, ["evt_2", 1] as const]) {
    account.simulator.emit(paid(id, hoursAgo));
  }

  expect(await cli.json([...replay, "150m"])).toMatchObject({ read: 2, new: 2 });
  const inbox = await sql<{ event_id: string; payload: object }>`
    select event_id, payload from metering.stripe_events order by received_at
  `.execute(db);
  expect(inbox.rows).toMatchObject([
    { event_id: "evt_1", payload: { type: "invoice.paid", data: { object: { customer: "cus_1" } } } },
    { event_id: "evt_2" },
  ]);
  const jobs = await boss.fetch<{ eventId: string }>(stripeEventsQueue.name, { batchSize: 10 });
  expect(jobs.map(({ data }) => data.eventId).toSorted()).toEqual(["evt_1", "evt_2"]);
});

test("events that arrived stay as they are", async ({ cli, account, database: { db } }) => {
  account.simulator.emit(paid("evt_1", 1));
  await cli([...replay, "2h"]);
  await sql`update metering.stripe_events set state = 'handled', handled_at = now()`.execute(db);
  account.simulator.emit(paid("evt_2", 0.5));

  expect(await cli.json([...replay, "2h"])).toMatchObject({ read: 2, new: 1 });
  const inbox = await sql`select event_id, state from metering.stripe_events order by event_id`.execute(db);
  expect(inbox.rows).toEqual([
    { event_id: "evt_1", state: "handled" },
    { event_id: "evt_2", state: "pending" },
  ]);
});

test.for([
  ["with an event before them", 29 * 24],
  ["without an event before them", 0.5],
] as const)(
  "more events than a page holds are all read, %s",
  async ([, hoursAgo], { cli, account, database: { db } }) => {
    account.simulator.emit(paid("evt_first", hoursAgo));
    for (let number = 0; number < 230; number += 1) account.simulator.emit(paid(`evt_${number}`, 0.4));

    const read = hoursAgo === 0.5 ? 231 : 230;
    expect(await cli.json([...replay, "1h"])).toMatchObject({ read, new: read });
    const count = await sql<{ count: number }>`select count(*)::int from metering.stripe_events`.execute(db);
    expect(count.rows).toEqual([{ count: read }]);
  },
);

test("types that have no effect are left at Stripe", async ({ cli, account }) => {
  account.simulator.emit({ ...paid("evt_1", 1), type: "charge.succeeded" });
  expect(await cli.json([...replay, "2h"])).toMatchObject({ read: 0, new: 0 });
});

test("thin reports are stored as they are delivered, without their data", async ({
  cli,
  account,
  database: { db },
}) => {
  const type = "v1.billing.meter.no_meter_found";
  account.simulator.emit({ object: "v2.core.event", id: "evt_thin", type, data: { reason: {} } });

  expect(await cli.json([...replay, "2h"])).toMatchObject({ read: 1, new: 1 });
  const inbox = await sql<{ payload: object }>`select payload from metering.stripe_events`.execute(db);
  expect(inbox.rows).toMatchObject([{ payload: { id: "evt_thin", object: "v2.core.event", type } }]);
  expect(inbox.rows[0]?.payload).not.toHaveProperty("data");
});

test("more than 30 days back is wrong usage, with the reason", async ({ cli }) => {
  const { exitCode, err } = await cli([...replay, "31d"]);
  expect({ exitCode, err }).toEqual({
    exitCode: 2,
    err: "error: --since lies too far back: Stripe keeps events for 30 days\n",
  });
});
