import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { countWaitingForLocks, holdOpen } from "../testing/postgres/locks.ts";
import { addOrganization, linkCustomer } from "../testing/rows/organizations.ts";
import { adoptSubscription } from "./adopt-subscription.ts";
import { linkOrganization } from "./link-organization.ts";
import { putSubscription } from "./put-subscription.ts";

const start = new Date("2026-11-01T00:00:00Z");
const end = new Date("2026-12-01T00:00:00Z");
const read = {
  customerId: "cus_1",
  chosen: { id: "sub_1", status: "active", periodStart: start, periodEnd: end },
  billed: [],
  otherBounds: [],
  subscriptionIds: ["sub_1"],
  readBeganAt: "2000-01-01T00:00:00Z",
};

test("an operator's link and a checkout's of the same organization, at once, wait for each other and both end", async ({
  database: { db, pool },
}) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  const release = await holdOpen(pool, "select pg_advisory_xact_lock(hashtext('metering.claim_customer'))");
  const put = putSubscription(db, id, {
    stripeCustomerId: "cus_1",
    stripeSubscriptionId: null,
    status: "active",
    currentPeriodStart: null,
    currentPeriodEnd: null,
  });
  await expect.poll(() => countWaitingForLocks(pool)).toBe(1);
  // The operator's link gets the claim first, as it waited first; a row that the checkout's had locked would stop it.
  const link = linkOrganization(db, id, read);
  await expect.poll(() => countWaitingForLocks(pool)).toBe(2);
  await release();

  const [stored, linked] = await Promise.allSettled([put, link]);

  expect(stored).toMatchObject({ status: "fulfilled", value: { kind: "stored" } });
  // The checkout's read is older than the operator's link.
  expect(linked).toMatchObject({ status: "fulfilled", value: { kind: "unchanged" } });
});

test("an operator's link forgets what was read of the customer before, and an older read of the new one changes nothing", async ({
  database: { db },
}) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  const billed = [{ from: start, until: end }];
  const late = { ...read, billed, otherBounds: [end], readBeganAt: "9000-01-01T00:00:00Z" };
  await db.transaction().execute((trx) => adoptSubscription(trx, late));
  const stored = () =>
    db
      .selectFrom("subscriptions")
      .select(["stripe_subscription_id", "billed", "other_bounds"])
      .where("organization_id", "=", id)
      .executeTakeFirst();
  expect(await stored()).toMatchObject({ stripe_subscription_id: "sub_1", other_bounds: [end] });

  await linkCustomer(db, id, { customer: "cus_2" });
  const old = { ...read, customerId: "cus_2", billed, otherBounds: [end] };
  await db.transaction().execute((trx) => adoptSubscription(trx, old));

  expect(await stored()).toEqual({ stripe_subscription_id: null, billed: null, other_bounds: null });
});
