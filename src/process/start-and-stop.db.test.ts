import { createServer, type Socket } from "node:net";
import { sql } from "kysely";
import { expect, onTestFinished } from "vitest";
import { listen } from "../testing/net/listen.ts";
import { holdOpen, countWaitingForLocks } from "../testing/postgres/locks.ts";
import { serviceTest as test } from "../testing/fixtures/service-fixture.ts";
import { until } from "../testing/processes/until.ts";

/** Far below the grace of a stop, 30 s, and every time limit of the database's. */
const atOnceMs = 4_000;

const programs = [
  ["api", [], 0],
  ["worker", [], 0],
  ["migrate", [], 143],
  ["cli", ["outbox", "status"], 143],
] as const;

test.for(programs)(
  "the %s ends on SIGTERM while a database accepts connections and says nothing",
  async ([program, args, code], { launch }) => {
    const frozen = await acceptInSilence();
    const url = `postgres://service@127.0.0.1:${frozen.port}/metering`;
    const waiting = launch(program, { DATABASE_URL: url }, args);
    await until(() => frozen.connections() > 0, { what: `${program} to connect`, standing: waiting.output });

    const signalledAt = performance.now();
    expect(await waiting.stop()).toBe(code);
    expect(performance.now() - signalledAt).toBeLessThan(atOnceMs);
  },
);

test("migrate ends on SIGTERM while it waits for a lock, and leaves nothing half done", async ({
  database,
  launch,
}) => {
  const release = await holdOpen(database.pool, "lock table metering.kysely_migration");
  const migrate = launch("migrate");
  await until(async () => (await countWaitingForLocks(database.pool)) > 0, { what: "migrate to wait" });

  expect(await migrate.stop()).toBe(143);
  await release();
  expect(await launch("migrate").ended()).toBe(0);
});

test.for(["api", "worker", "migrate", "cli", "simulator"] as const)(
  "the %s ends on SIGTERM in its first moment",
  async (program, { launch }) => {
    const begun = launch(program, {}, program === "cli" ? ["outbox", "status"] : []);
    // Before Node listens to signals, the signal itself ends the process, and the exit code is null.
    expect([0, 143, null]).toContain(await begun.stop());
  },
);

test("a signal while a program is being loaded ends it", async ({ launch }) => {
  const signalSoon = 'setTimeout(() => process.kill(process.pid, "SIGTERM"), 1)';
  const loading = launch("worker", {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(signalSoon)}`,
  });
  expect([0, null]).toContain(await loading.ended());
  expect(loading.output()).not.toContain("worker_started");
});

test("a worker that fails in the middle of its start ends with 1 and a line that says why", async ({
  database,
  launch,
}) => {
  // pg-boss runs by then, and its next step is not allowed.
  await sql`
    create function pgboss.refuse() returns trigger language plpgsql as 'begin raise ''no queue for you''; end'
  `.execute(database.db);
  await sql`
    create trigger refuse before update on pgboss.queue for each statement execute function pgboss.refuse()
  `.execute(database.db);
  const failing = launch("worker");

  expect(await failing.ended()).toBe(1);
  const lines = failing.output().trim().split("\n");
  expect(lines.filter((line) => line.includes('"worker_failed"'))).toEqual([
    expect.stringContaining("no queue for you"),
  ]);
});

test.for(["api", "worker", "simulator"] as const)(
  "the %s ends with 1 and one line when its port is taken",
  async (program, { launch }) => {
    const { port } = await acceptInSilence();
    const refused = launch(program, { PORT: String(port), WORKER_PORT: String(port), HOST: "127.0.0.1" });

    expect(await refused.ended()).toBe(1);
    expect(refused.output().trim().split("\n")).toEqual([expect.stringContaining("EADDRINUSE")]);
  },
);

/** A server that takes connections and never answers, as a frozen Postgres does. */
async function acceptInSilence(): Promise<{ port: number; connections: () => number }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on("error", () => {})));
  const port = await listen(server);
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port, connections: () => sockets.length };
}
