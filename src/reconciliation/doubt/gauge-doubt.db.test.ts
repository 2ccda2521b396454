import { sql } from "kysely";
import { expect } from "vitest";
import { doubtTest as test } from "../../testing/fixtures/doubt-fixture.ts";
import { setOtherBounds } from "../../testing/rows/organizations.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";

const at = hoursAgo(30, 10);
const later = hoursAgo(30, 40);

test("a gauge value that a newer one overtook is superseded without a read", async ({ books, doubt }) => {
  const older = await doubt.add({ at, quantity: 3, meter: "active_sensors", isCounted: false });
  await books.addBoth({ at: later, quantity: 4, meter: "active_sensors" });

  expect(await doubt.resolve()).toMatchObject({ overtaken: 1 });
  expect(await doubt.read(older)).toMatchObject({ state: "superseded", reason: "newer_value" });
  expect(books.readsMade()).toBe(0);
});

test("the last gauge value of another subscription's period is not overtaken by one of the next", async ({
  books,
  doubt,
  database: { db },
}) => {
  const last = await doubt.add({ at, quantity: 3, meter: "active_sensors", isCounted: false });
  await books.addBoth({ at: later, quantity: 4, meter: "active_sensors" });
  await setOtherBounds(db, books.organizationId, [hoursAgo(500), hoursAgo(30, 30)]);

  expect(await doubt.resolve()).toMatchObject({ overtaken: 0 });
  expect(await doubt.read(last)).toMatchObject({ state: "in_doubt" });
});

test("the last gauge value of a period is found, or sent again", async ({
  books,
  doubt,
  database: { db },
}) => {
  const ends = hoursAgo(30, 30);
  await sql`
    insert into metering.billing_periods (organization_id, period_start, period_end, stripe_customer_id)
    values (${books.organizationId}, ${hoursAgo(500)}, ${ends}, ${books.customer})
  `.execute(db);
  const last = await doubt.add({ at, quantity: 3, meter: "active_sensors", isCounted: false });
  await books.addBoth({ at: later, quantity: 4, meter: "active_sensors" });
  const found = await doubt.add({
    at: hoursAgo(20),
    quantity: 9,
    meter: "active_sensors",
    isCounted: true,
  });

  await doubt.resolveTwice();

  expect(await doubt.read(last)).toMatchObject({ state: "superseded", reason: "absent_from_sum" });
  expect(await doubt.read(found)).toMatchObject({ state: "delivered", reason: "found_in_sum" });
});

test.for([{ isCounted: false }, { isCounted: true }])(
  "a 0 in doubt is sent again, as Stripe's sum of an hour without a value is 0, too (counted: $isCounted)",
  async ({ isCounted }, { books, doubt }) => {
    // What the invoice has where the 0 was not counted.
    await books.addBoth({ at: hoursAgo(31, 10), quantity: 8, meter: "active_sensors" });
    const last = await doubt.add({ at, quantity: 0, meter: "active_sensors", isCounted });

    expect(await doubt.resolve()).toMatchObject({ windows: { wait: 1 } });
    await books.passTime(3_601);
    expect(await doubt.resolve()).toMatchObject({ windows: { none: 1 } });

    expect(await doubt.read(last)).toMatchObject({ state: "superseded", reason: "absent_from_sum" });
    expect((await doubt.readAll()).at(-1)).toMatchObject({ state: "pending", quantity: "0" });
  },
);

test("a 0 in doubt after a counted value of its hour is found", async ({ books, doubt }) => {
  await books.addBoth({ at, quantity: 8, meter: "active_sensors" });
  const last = await doubt.add({ at: later, quantity: 0, meter: "active_sensors", isCounted: true });

  expect(await doubt.resolve()).toMatchObject({ windows: { all: 1 } });

  expect(await doubt.read(last)).toMatchObject({ state: "delivered", reason: "found_in_sum" });
});
