import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { readMeterEvents } from "../testing/rows/meter-event-rows.ts";
import { addOrganization, linkCustomer, setOtherBounds } from "../testing/rows/organizations.ts";
import { meterNames } from "../usage/meters.ts";
import { sealDueEntries } from "./seal.ts";

const customer = "cus_acme";
const bound = hoursAgo(2, 30);

const bounds: [string, (db: Db, id: string) => Promise<unknown>][] = [
  [
    "a period ends",
    (db, id) => linkCustomer(db, id, { customer, periodStart: hoursAgo(700), periodEnd: bound }),
  ],
  [
    "a period begins",
    (db, id) => linkCustomer(db, id, { customer, periodStart: bound, periodEnd: hoursAgo(-700) }),
  ],
  ["another subscription's period ends", (db, id) => setOtherBounds(db, id, [bound])],
  [
    "billing by another path ended",
    (db, id) =>
      sql`insert into metering.cut_overs (organization_id, cut_at) values (${id}, ${bound})`.execute(db),
  ],
];

for (const [what, set] of bounds) {
  test(`usage of the very moment at which ${what} belongs to what follows, also far behind the oldest usage`, async ({
    database: { db },
    boss,
  }) => {
    const id = await addOrganization(db, { customer });
    await set(db, id);
    await appendEntries(db, id, [
      { at: hoursAgo(4, 10), quantity: 1 },
      { at: hoursAgo(2, 10), quantity: 2 },
      { at: bound, quantity: 4 },
      { at: hoursAgo(2, 50), quantity: 8 },
    ]);

    await sealDueEntries({ db, boss }, { meters: meterNames });

    const events = await readMeterEvents(db);
    expect(new Set(events.map(({ transaction }) => transaction)).size).toBe(1);
    expect(events.map(({ quantity, at }) => [quantity, at])).toEqual([
      [1, hoursAgo(4, 10)],
      [2, hoursAgo(2, 10)],
      [12, hoursAgo(2, 50)],
    ]);
  });
}
