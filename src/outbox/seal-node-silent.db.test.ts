import type { PgBoss } from "pg-boss";
import { expect } from "vitest";
import type { Shards } from "../database/shards.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import { openWatched, tookTooLong } from "../testing/postgres/watched-statements.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { readMeterEvents } from "../testing/rows/meter-event-rows.ts";
import { eachOnItsNode } from "../testing/rows/node-away.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { meterNames } from "../usage/meters.ts";
import { sealDueEntries } from "./seal.ts";

const test = roadTest.extend("twoNodes", async ({ database: { db } }) => {
  const organizations: string[] = [];
  for (const customer of ["cus_a", "cus_b"]) {
    const id = await addOrganization(db, { customer });
    await appendEntries(db, id, [
      { at: hoursAgo(1, 1), quantity: 5 },
      { at: hoursAgo(1, 1), quantity: 2, meter: "active_sensors" },
    ]);
    organizations.push(id);
  }
  const [silent = "", answers = ""] = organizations;
  return { silent, answers, shards: eachOnItsNode(organizations) };
});

/** Statements about all organizations' events, which need every node. */
const ofAllNodes = /from metering\.meter_events\s+(where state = 'pending' and meter|order by id desc)/;

test("a node that gives no answer is waited for once in a seal, and all others' usage is sealed", async ({
  database: { db, url },
  boss,
  twoNodes: { silent, answers, shards },
}) => {
  let waits = 0;
  const sealed = sealWatched({ url, boss, shards }, (text, values) => {
    const isOfNode = values.some((value) => Array.isArray(value) && value.includes(silent));
    if (!isOfNode && !ofAllNodes.test(text)) return;
    waits += 1;
    throw tookTooLong();
  });
  await expect(sealed).rejects.toThrow("could not be sealed");

  expect(waits).toBe(1);
  const events = await readMeterEvents(db);
  expect(new Set(events.map(({ organizationId }) => organizationId))).toEqual(new Set([answers]));
  expect(events.map(({ quantity }) => quantity).toSorted((a, b) => a - b)).toEqual([2, 5]);
});

test("a node that falls silent while its usage is sealed is waited for once, for all meters", async ({
  database: { url },
  boss,
  twoNodes: { silent, shards },
}) => {
  let waits = 0;
  const sealed = sealWatched({ url, boss, shards }, (text, values) => {
    if (!text.includes("update metering.meter_outbox") || !JSON.stringify(values).includes(silent)) return;
    waits += 1;
    throw Object.assign(new Error("connection to the remote node failed"), { code: "08006" });
  });
  await expect(sealed).rejects.toThrow("could not be sealed");

  expect(waits).toBe(1);
});

// Postgres ends a transaction that waits for longer than a node may take.
test("no transaction is open while the pending events of all nodes are counted", async ({
  database: { url },
  boss,
  twoNodes: { shards },
}) => {
  const open: number[] = [];
  await sealWatched({ url, boss, shards }, (text, _, clients) => {
    if (!ofAllNodes.test(text)) return;
    open.push([...clients].filter((client) => client.getTransactionStatus() === "T").length);
  });

  expect(open.length).toBeGreaterThan(0);
  expect(Math.max(...open)).toBe(0);
});

/** Seals both meters; `onStatement` hears of each statement before it is sent, and may throw in its place. */
async function sealWatched(
  { url, boss, shards }: { url: string; boss: PgBoss; shards: Shards },
  onStatement: Parameters<typeof openWatched>[1],
): Promise<void> {
  const watched = openWatched(url, onStatement);
  try {
    await sealDueEntries({ db: watched, boss, shards }, { meters: meterNames });
  } finally {
    await watched.destroy();
  }
}
