import { expect } from "vitest";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { eachOnItsNode, takeNodeAway } from "../testing/rows/node-away.ts";
import { readMeterEvents } from "../testing/rows/meter-event-rows.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { meterNames } from "../usage/meters.ts";
import { reportUnsealed } from "./report.ts";
import { sealDueEntries } from "./seal.ts";

test("a node that is away holds up the seal of its own organizations only, and each shard is sealed alone", async ({
  database: { db },
  boss,
}) => {
  const organizations: string[] = [];
  for (const customer of ["cus_a", "cus_b", "cus_c"]) {
    const organizationId = await addOrganization(db, { customer });
    await appendEntries(db, organizationId, [
      { at: hoursAgo(2, 1), quantity: 5 },
      { at: hoursAgo(1, 1), quantity: 7 },
    ]);
    organizations.push(organizationId);
  }
  const [away = "", ...others] = organizations.toSorted();
  const shards = eachOnItsNode(organizations);
  const bringBack = await takeNodeAway(db, away);

  await expect(sealDueEntries({ db, boss, shards }, { meters: meterNames })).rejects.toThrow(
    "could not be sealed",
  );

  const sealed = await readMeterEvents(db);
  expect(new Set(sealed.map(({ organizationId }) => organizationId))).toEqual(new Set(others));
  expect(sealed.map(({ quantity }) => quantity).toSorted((a, b) => a - b)).toEqual([5, 5, 7, 7]);
  // A transaction for each shard.
  expect(new Set(sealed.map(({ transaction }) => transaction)).size).toBe(2);
  await bringBack();
  expect(await sealDueEntries({ db, boss, shards }, { meters: meterNames })).toMatchObject({
    events: 2,
    entries: 2,
  });
  expect(await reportUnsealed(db)).toMatchObject({ entries: 0 });
});
