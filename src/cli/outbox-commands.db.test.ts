import { listActions } from "../actions/list-actions.ts";
import { sql } from "kysely";
import { expect } from "vitest";
import { retentionQueue, sealQueue } from "../queue/queues.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { cliTest as test } from "../testing/fixtures/cli-fixture.ts";

test("the outbox is told as the API tells it", async ({ cli, api, events, database: { db } }) => {
  await events.seal({ quantity: 3 });
  await events.seal({ quantity: 4, state: "in_doubt" });
  await appendEntries(db, await addOrganization(db), [{ at: hoursAgo(2, 1), quantity: 5 }]);
  await cli(["pause", "--reason", "key rotation"]);
  const { body } = await api.ask("GET", "/v1/outbox", { token: api.adminToken });

  expect(await cli.json(["outbox", "status"])).toEqual(body);
});

test("people see the same in a table", async ({ cli, events, database: { db } }) => {
  await events.seal({ quantity: 3 });
  await appendEntries(db, await addOrganization(db), [{ at: hoursAgo(2, 1), quantity: 5 }]);

  const { out } = await cli(["outbox", "status"]);
  expect(out).toMatch(/unsealed +1 +5 /);
  expect(out).toMatch(/pending +1 +3\n/);
  expect(out).toContain("nothing is paused");
});

test("sending is paused with a reason until it is resumed", async ({ cli }) => {
  await cli(["pause", "--reason", " key rotation "]);
  expect((await cli.json(["outbox", "status"]))["paused"]).toMatchObject([
    { scope: "account", reason: "key rotation", until: null },
  ]);
  await cli(["resume"]);
  expect((await cli.json(["outbox", "status"]))["paused"]).toEqual([]);
});

test("a pause without a reason is wrong usage", async ({ cli }) => {
  expect(await cli(["pause"])).toMatchObject({ exitCode: 2 });
  expect(await cli(["pause", "--reason", "  "])).toMatchObject({ exitCode: 2 });
});

test("a seal is asked of a worker", async ({ cli, boss }) => {
  expect(await cli.json(["seal"])).toEqual({ requested: true, workers: 0 });
  expect(await boss.fetch(sealQueue.name)).toMatchObject([{ data: { evenIfPaused: true } }]);
});

test("a seal tells whether a worker is there to do it", async ({ cli, database }) => {
  expect((await cli(["seal"])).out).toBe(
    "the next worker that starts will seal (workers: none has ever run)\n",
  );
  const { db } = database.as("worker");
  await sql`insert into metering.processes (id, kind) values (gen_random_uuid(), 'worker')`.execute(db);
  expect((await cli(["seal"])).out).toBe("a worker will seal at once\n");

  await sql`update metering.processes set seen_at = now() - interval '1 minute'`.execute(db);
  expect((await cli(["seal"])).out).toMatch(
    /^the next worker that starts will seal \(workers: none runs; the last was seen [6-9]\d s ago\)\n$/,
  );
});

test("the months past their retention are dropped when an operator asks", async ({
  cli,
  boss,
  database: { db },
}) => {
  expect(await cli.json(["drop-partitions"])).toEqual({ requested: true, workers: 0 });
  expect((await cli(["drop-partitions"])).out).toBe(
    "the next worker that starts will look (workers: none has ever run)\n",
  );
  expect(await boss.fetch(retentionQueue.name, { batchSize: 5 })).toHaveLength(1);
  const actions = await listActions(db, { before: undefined, limit: 5 });
  expect(actions).toMatchObject([
    { via: "cli", action: "drop_partitions" },
    { via: "cli", action: "drop_partitions" },
  ]);
});
