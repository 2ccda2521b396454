import { expect } from "vitest";
import { doubtTest as test } from "../../testing/fixtures/doubt-fixture.ts";
import { createRecordingLog } from "../../testing/processes/recording-log.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { reconcileRestored, type RestoreProgress } from "./reconcile-restored.ts";

const at = hoursAgo(30, 10);

test("all usage is compared, also of an organization of whose events many have failed", async ({
  books,
  boss,
  database: { db },
}) => {
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
  // With the worker's role, which the docs allow.
  const deps = { ...books.deps, boss, log: createRecordingLog().log };

  const restored = await reconcileRestored({
    ...deps,
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
