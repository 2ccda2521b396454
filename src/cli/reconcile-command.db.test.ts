import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { expect } from "vitest";
import { listActions } from "../actions/list-actions.ts";
import type { Db } from "../database/db.ts";
import { booksTest as test } from "../testing/fixtures/books-fixture.ts";
import { ago, minuteMs } from "../testing/rows/meter-events.ts";
import { addOrganization } from "../testing/rows/organizations.ts";

const day = 24 * 60 * minuteMs;

test("an organization's sums are compared, and equal ones are well", async ({
  cli,
  books,
  road,
  database: { db },
}) => {
  await books.addBoth({ at: ago(3 * day), quantity: 5 });
  await road.startWorker();
  await seeWorker(db);
  const command = ["reconcile", "--organization", books.organizationId];

  const { exitCode, out } = await cli(command);

  expect(exitCode).toBe(0);
  expect(out.split("\n")[1]?.split(/ {2,}/)).toEqual([
    books.organizationId,
    "temperature_readings",
    expect.stringMatching(/:00\.000Z$/),
    expect.stringMatching(/:00\.000Z$/),
    "5",
    "5",
    "equal",
  ]);
  expect(await cli.json([...command, "--period", "current"])).toMatchObject({
    windows: [{ ours: "5", theirs: "5" }, {}],
    reads: 2,
  });
  const { organizationId } = books;
  expect(await listActions(db, { before: undefined, limit: 10 })).toMatchObject([
    { via: "cli", action: "reconcile", organizationId },
    { via: "cli", action: "reconcile", organizationId },
  ]);
});

test("an organization that does not exist is said so, and nothing is asked of a worker", async ({
  cli,
  database: { db },
}) => {
  await seeWorker(db);
  for (const period of ["current", "2026-11-01..2026-11-02"]) {
    const named = ["--organization", randomUUID(), "--period", period];

    expect(await cli(["reconcile", ...named])).toEqual({
      exitCode: 1,
      out: "",
      err: "error: there is no such organization\n",
    });
  }
});

test("of all organizations, a difference ends the command with 1 and is named by hour", async ({
  cli,
  books,
  road,
  database: { db },
}) => {
  const at = ago(3 * day);
  await books.countTheirs({ at, quantity: 5 });
  const other = await addOrganization(db);
  await road.startWorker();
  await seeWorker(db);

  const { exitCode, out } = await cli(["reconcile", "--all", "--period", "current", "--json"]);

  expect(exitCode).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    data: [
      {
        organization_id: books.organizationId,
        windows: [{ result: "different" }, {}, { theirs: "5", events: [] }, {}],
      },
      { organization_id: other, windows: [], reads: 0 },
    ],
    reads: 4,
  });
});

test("a stretch may be named by dates", async ({ cli, books, road, database: { db } }) => {
  await books.addBoth({ at: ago(3 * day), quantity: 5 });
  await road.startWorker();
  await seeWorker(db);
  const dateOf = (at: Date) => at.toISOString().slice(0, 10);
  const period = `${dateOf(ago(3 * day))}..${dateOf(ago(2 * day))}`;

  const found = await cli.json(["reconcile", "--organization", books.organizationId, "--period", period]);

  expect(found).toMatchObject({
    windows: [{ start: `${dateOf(ago(3 * day))}T00:00:00.000Z`, ours: "5" }, {}],
  });
});

test("without a worker nobody would answer, and that is told at once", async ({ cli, books }) => {
  const { exitCode, err } = await cli(["reconcile", "--organization", books.organizationId]);
  expect([exitCode, err]).toEqual([
    1,
    expect.stringContaining("a worker has to read the sums, and none runs"),
  ]);
});

test.for([
  ["next"],
  ["2026-11-02..2026-11-01"],
  ["2026-11-01"],
  ["a..b"],
  ["2026-11-01..2026-11-02..2026-11-03"],
])("--period %s is refused", async ([period], { cli }) => {
  const { exitCode, err } = await cli(["reconcile", "--all", "--period", period ?? ""]);
  expect([exitCode, err]).toEqual([2, expect.stringContaining("must be current, last or FROM..TO")]);
});

test("an organization and --all exclude each other", async ({ cli, books }) => {
  expect(await cli(["reconcile", "--all", "--organization", books.organizationId])).toMatchObject({
    exitCode: 2,
  });
});

/** A worker of a test leaves no heartbeat by itself. */
async function seeWorker(db: Db): Promise<void> {
  await sql`insert into metering.processes (id, kind) values (gen_random_uuid(), 'worker')`.execute(db);
}
