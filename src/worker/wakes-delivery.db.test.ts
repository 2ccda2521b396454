import { expect } from "vitest";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { appendEntries } from "../testing/rows/entries.ts";

const hourMs = 3_600_000;

test("a worker delivers what it has sealed at once, and does not wait until it would look for it", async ({
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
