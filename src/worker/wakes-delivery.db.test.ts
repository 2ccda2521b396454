import { expect } from "vitest";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hourMs } from "../testing/rows/hours.ts";

test("a worker sends the events of its own seal at once, before its next look into the queue", async ({
  road,
  account,
  database: { db },
}) => {
  const { id } = await road.join();
  await road.startWorker({}, { idleMs: hourMs });

  for (const quantity of [3, 4]) {
    await appendEntries(db, id, [{ at: new Date(Date.now() - hourMs), quantity }]);
    await road.untilBilled();
  }

  expect(account.simulator.state()).toMatchObject({ counted: 2, double_counted: 0 });
});
