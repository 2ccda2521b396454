import { connect, createServer } from "node:net";
import { expect, inject } from "vitest";
import { z } from "zod";
import { openDatabase } from "../../database/pool.ts";
import { silentLog } from "../../log.ts";
import { createTestApi } from "../../testing/processes/api-app.ts";
import { apiTest } from "../../testing/fixtures/api-fixture.ts";
import { endWaitingForLocks, holdOpen } from "../../testing/postgres/locks.ts";
import { checkedRequests } from "../../testing/openapi/checked-requests.ts";
import type { TestDatabase } from "../../testing/postgres/test-database.ts";
import { listen } from "../../testing/net/listen.ts";

const isCluster = inject("testServer").cluster !== undefined;
const answerSchema = z.looseObject({ code: z.string().optional(), accepted: z.number().optional() });

/** A gateway whose readings take the way to the database that a test gives them. */
const test = apiTest.extend("gateway", async ({ api, database }, { onCleanup }) => {
  const { key } = await api.join();
  await api.ask("PUT", "/v1/sensors/a", { token: key });
  const reading = { sensor_id: "a", recorded_at: new Date().toISOString(), temperature: 20.5 };

  function openWayTo(connectionString: string) {
    const way = openDatabase({ connectionString, applicationName: "intake", connectionsMax: 1 }, silentLog);
    onCleanup(way.close);
    return way;
  }

  async function send({ db, pool }: Pick<TestDatabase, "db" | "pool">) {
    const { app } = createTestApi({ db, pool, url: database.url }, { adminToken: api.adminToken });
    const response = await checkedRequests(app)("/v1/readings", {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify(reading),
    });
    const { status, headers } = response;
    return { status, retryAfter: headers.get("retry-after"), ...answerSchema.parse(await response.json()) };
  }
  return { openWayTo, send };
});

test("readings are asked to come again while no database can be reached", async ({ gateway, database }) => {
  const nowhere = gateway.openWayTo("postgres://127.0.0.1:1/metering");
  const unavailable = { status: 503, code: "database_unavailable", retryAfter: "2" };

  expect(await gateway.send({ db: database.db, pool: nowhere.pool })).toMatchObject(unavailable);
  expect(await gateway.send(nowhere)).toMatchObject(unavailable);
  expect(await countReadings(database)).toEqual({ readings: 0, counted: 0 });
});

test("readings whose statement was cut off have an unknown outcome, and count once when sent again", async ({
  gateway,
  database,
}) => {
  const way = { db: database.db, pool: gateway.openWayTo(database.url).pool };
  const release = await holdOpen(database.pool, "lock table metering.readings in share mode");
  try {
    const answer = gateway.send(way);
    await expect.poll(() => endWaitingForLocks(database.pool)).toBe(1);

    expect(await answer).toMatchObject({ status: 503, code: "outcome_unknown", retryAfter: "2" });
  } finally {
    await release();
  }
  const again = await gateway.send(way);
  expect(again).toMatchObject({ status: 200 });
  // A cluster's node may have stored it before it heard that the coordinator's session had ended.
  expect(again).toMatchObject(isCluster && again.accepted === 0 ? { duplicates: 1 } : { accepted: 1 });
  expect(await countReadings(database)).toEqual({ readings: 1, counted: 1 });
});

test("readings whose commit was not heard of have an unknown outcome, and are duplicates when sent again", async ({
  gateway,
  database,
}) => {
  const wire = await layWireTo(database.url);
  try {
    const way = { db: database.db, pool: gateway.openWayTo(wire.url).pool };
    await way.pool.query("select 'connected'");
    wire.cutBeforeAnswerTo("store_readings");

    expect(await gateway.send(way)).toMatchObject({ status: 503, code: "outcome_unknown", retryAfter: "2" });
    expect(await gateway.send(way)).toMatchObject({ status: 200, accepted: 0, duplicates: 1 });
    expect(await countReadings(database)).toEqual({ readings: 1, counted: 1 });
  } finally {
    wire.remove();
  }
});

async function countReadings({ pool }: TestDatabase) {
  const { rows } = await pool.query<{ readings: number; counted: number }>(`
    select
      (select count(*)::int from metering.readings) as readings,
      (select coalesce(sum(quantity), 0)::int from metering.meter_outbox) as counted
  `);
  return rows[0];
}

/**
 * A connection's way to Postgres that can be cut once, after the server has answered a statement and before the client
 * has heard it.
 */
async function layWireTo(databaseUrl: string) {
  const url = new URL(databaseUrl);
  const target = { host: url.hostname, port: Number(url.port || 5_432) };
  let statement: string | undefined;
  let isToBeCut = false;
  const server = createServer((client) => {
    const postgres = connect(target);
    const cut = () => {
      client.destroy();
      postgres.destroy();
    };
    client.on("error", cut).on("close", cut).pipe(postgres);
    client.on("data", (sent: Buffer) => (isToBeCut ||= statement !== undefined && sent.includes(statement)));
    postgres.on("error", cut).on("close", cut);
    postgres.on("data", (answer) => {
      if (!isToBeCut) return void client.write(answer);
      isToBeCut = false;
      statement = undefined;
      cut();
    });
  });
  url.host = `127.0.0.1:${await listen(server)}`;
  return {
    url: url.href,
    cutBeforeAnswerTo: (name: string) => void (statement = name),
    remove: () => void server.close(),
  };
}
