import { expect } from "vitest";
import { silentLog } from "../../log.ts";
import { pauseDelivery, readPauses } from "../../delivery/pauses.ts";
import { booksTest as test } from "../../testing/fixtures/books-fixture.ts";
import { ago, minuteMs } from "../../testing/rows/meter-events.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { reconcileRestored, type RestoreProgress } from "./reconcile-restored.ts";

const usage = { at: ago(3 * 24 * 60 * minuteMs), quantity: 5 };
const undelivered = { state: "pending", delivered_at: null } as const;
const command = ["reconcile", "--after-restore"];
const withoutDelay = { RECONCILE_SETTLE_SECONDS: "0", RECONCILE_ABSENCE_SECONDS: "0" };

test("with the worker's role sending goes on after the command's own pause, and what else is paused stays so", async ({
  books,
  cli,
  database,
}) => {
  await books.countTheirs(usage);
  await books.addOurs(usage, undelivered);
  await pauseDelivery(database.db, "no sensors today", "active_sensors");

  const { exitCode, out, err } = await cli(command, {
    environment: { ...withoutDelay, DATABASE_URL: database.as("worker").url },
  });

  expect({ exitCode, err }).toMatchObject({ exitCode: 0, err: expect.not.stringContaining("error") });
  expect(out).toMatch(/^delivered: 1 events, 5 .*\nsending goes on\n$/);
  expect(await readPauses(database.db)).toMatchObject([{ scope: "active_sensors" }]);
});

test("a pause that an operator makes while it waits for the second look stays", async ({
  books,
  database,
  boss,
}) => {
  await books.addOurs(usage, undelivered);

  const restored = await reconcileRestored({
    ...books.deps,
    boss,
    log: silentLog,
    settleSeconds: 0,
    wait: async () => {
      await pauseDelivery(database.db, "the books first");
      await books.passTime(books.deps.absenceSeconds);
    },
    tell: () => {},
  });

  expect(restored).toMatchObject({ states: [{ state: "superseded" }], unclear: 0, isPaused: true });
  expect(await readPauses(database.db)).toMatchObject([{ scope: "account", reason: "the books first" }]);
});

test("all usage is compared, also of an organization of whose events many have failed", async ({
  books,
  boss,
  database: { db },
}) => {
  const at = hoursAgo(30, 10);
  const failed = Array.from({ length: 100 }, (_, second) => ({
    at: new Date(at.getTime() + second * 1_000),
    quantity: 1,
  }));
  for (const one of failed) {
    await books.countTheirs(one);
    await books.addOurs(one, {
      state: "pending",
      reason: null,
      delivered_at: null,
      attempts_started: 1,
      attempts_finished: 1,
    });
  }
  await books.countTheirs({ at, quantity: 5 });
  await appendEntries(db, books.organizationId, [{ at, quantity: 5 }]);
  const told: RestoreProgress[] = [];

  const restored = await reconcileRestored({
    ...books.deps,
    boss,
    log: silentLog,
    wait: () => books.passTime(3_601),
    tell: (progress) => void told.push(progress),
  });

  expect(told[0]).toMatchObject({ kind: "sealed", entries: 1 });
  expect(restored).toMatchObject({
    states: [{ state: "delivered", events: 101, quantity: "105" }],
    unclear: 0,
    isPaused: false,
  });
});
