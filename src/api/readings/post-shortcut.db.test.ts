import fc from "fast-check";
import { expect } from "vitest";
import { createApiApp } from "../api-app.ts";
import { HeldBytes } from "../../http/held-bytes.ts";
import { type RunningServer, type Served, startServer } from "../../http/server.ts";
import { createBoss } from "../../queue/boss.ts";
import { apiTest } from "../../testing/fixtures/api-fixture.ts";
import type { TestDatabase } from "../../testing/postgres/test-database.ts";
import { createRecordingLog } from "../../testing/processes/recording-log.ts";
import { adminToken, exchange, sent, whole } from "../../testing/net/odd-posts.ts";
import { patienceMs } from "../../testing/processes/patience.ts";

/** `FUZZ_REQUESTS` makes it more. */
const numRuns = Math.ceil(Number(process.env["FUZZ_REQUESTS"] ?? 2_000) / 10);
const timeout = patienceMs(60_000 + numRuns * 200);

/** The same application twice: with its shortcut, and without. Each has an organization, a log and held bytes of its own. */
const test = apiTest.extend("ways", async ({ api, database }, { onCleanup }) => {
  const servers: RunningServer[] = [];
  onCleanup(async () => void (await Promise.all(servers.map((server) => server.stop(0)))));
  async function open(withShortcut: boolean, rateLimits = {}) {
    const { log, events } = createRecordingLog();
    const held = new HeldBytes(16 * 1_048_576);
    const { db, pool, url } = database.as("api");
    const boss = createBoss({ databaseUrl: url, role: "api", connectionsMax: 1 }, log);
    const parts = { db, pool, boss, log, held, adminToken, readingsMaxAgeDays: 365, webhookSecrets: ["w"] };
    const app = createApiApp({ ...parts, rateLimits });
    const count = { taken: 0 };
    const served: Served = { fetch: app.fetch };
    if (withShortcut) {
      served.shortcut = (incoming, outgoing) => {
        const answered = app.shortcut?.(incoming, outgoing);
        if (answered !== undefined) count.taken += 1;
        return answered;
      };
    }
    const server = await startServer(served, { host: "127.0.0.1", port: 0, held });
    servers.push(server);
    const { id, key } = await api.join(["ingest", "read"]);
    const { key: readKey } = await api.join(["read"]);
    for (const sensor of ["a", "b"]) await api.ask("PUT", `/v1/sensors/${sensor}`, { token: key });
    /** So that the key is one that was found lately. */
    const warm = async () =>
      void (await app.request("/v1/sensors", { headers: { authorization: `Bearer ${key}` } }));
    return { id, key, readKey, held, events, count, port: server.port, warm };
  }
  return {
    open: async (rateLimits = {}) => [await open(true, rateLimits), await open(false, rateLimits)] as const,
  };
});

test(
  "the shortcut answers, logs and stores as the application does, whatever comes",
  { timeout },
  async ({ ways, database }) => {
    const [short, long] = await ways.open();
    await fc.assert(
      fc.asyncProperty(sent, async (request) => {
        await Promise.all([short.warm(), long.warm()]);
        const seen = await Promise.all([short, long].map((way) => exchange(way, request)));
        expect(seen[0]).toEqual(seen[1]);
      }),
      { numRuns },
    );
    expect(await stored(database, short.id)).toEqual(await stored(database, long.id));
    expect(short.count.taken).toBeGreaterThan(numRuns / 4);
    expect(short.count.taken).toBeLessThan(numRuns);
    expect([short.held.bytes, long.held.bytes]).toEqual([0, 0]);
  },
);

test.for([{ requestsPerSecond: 1 }, { readingsPerSecond: 1 }])(
  "a key that sends too much is told so by the shortcut, too: %j",
  async (rateLimits, { ways }) => {
    const both = await ways.open(rateLimits);
    const refused = [];
    for (const way of both) {
      await way.warm();
      const answers = await Promise.all(Array.from({ length: 6 }, () => exchange(way, whole)));
      await way.warm();
      const late = await Promise.all(Array.from({ length: 6 }, () => exchange(way, whole)));
      refused.push([...answers, ...late].find(({ head }) => head[0] === "HTTP/1.1 429 Too Many Requests"));
    }
    expect(refused[0]?.head).toEqual(refused[1]?.head);
    expect(refused[0]?.body).toEqual(refused[1]?.body);
    expect(refused[0]?.body).toContain('"code":"rate_limited"');
    expect(both[0].count.taken).toBeGreaterThan(0);
  },
);

test("a body that finds no room in its organization's share is refused as by the application", async ({
  ways,
}) => {
  const both = await ways.open();
  const seen = [];
  for (const way of both) {
    const share = way.held.shareOf(way.id);
    const hold = share.begin();
    hold.keep(share.bytesMax - whole.body.length + 1);
    await way.warm();
    seen.push(await exchange(way, whole));
    hold.release();
  }
  expect(seen[0]).toEqual(seen[1]);
  expect(seen[0]?.head[0]).toBe("HTTP/1.1 503 Service Unavailable");
  expect(both[0].count.taken).toBe(0);
});

async function stored({ db }: TestDatabase, id: string) {
  const readings = await db
    .selectFrom("readings")
    .select(["sensor_id", "recorded_at", "temperature"])
    .where("organization_id", "=", id)
    .orderBy("sensor_id")
    .orderBy("recorded_at")
    .execute();
  const entries = await db
    .selectFrom("meter_outbox")
    .select("quantity")
    .where("organization_id", "=", id)
    .execute();
  return { readings, quantities: entries.map(({ quantity }) => quantity) };
}
