import { sql } from "kysely";
import { expect, inject } from "vitest";
import { sweepCustomerReads } from "../billing/read-customer-job.ts";
import type { Db } from "../database/db.ts";
import { doubtTest as test } from "../testing/fixtures/doubt-fixture.ts";
import { addOnNode, cutOffNode } from "../testing/postgres/cut-off-node.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { linkCustomer } from "../testing/rows/organizations.ts";
import { readBudget } from "./budget.ts";
import { listDuePeriods } from "./close/billing-periods.ts";
import { remindOfRequests } from "./requests-job.ts";
import { countDue, listDueRunning, openCalendarMonths } from "./running-periods.ts";

const isCluster = inject("testServer").cluster !== undefined;
const isAway = { code: "08006" };

test.runIf(isCluster)(
  "while a node is away, what is due of organizations on other nodes is found",
  async ({ books, boss, database }) => {
    const { organizationId } = books;
    const { db } = database.as("worker");
    const withoutPeriod = await addOnNode(database.db, organizationId, "same");
    const held = await addOnNode(database.db, organizationId, "other");
    await linkCustomer(database.db, withoutPeriod, { customer: "cus_without_period" });
    await linkCustomer(database.db, held, {
      customer: "cus_held",
      periodStart: hoursAgo(100),
      periodEnd: hoursAgo(-100),
    });
    for (const id of [organizationId, held]) await furnish(database.db, id);
    const bringBack = await cutOffNode({ ...database, db }, held);

    expect(codesOf(await openCalendarMonths(db))).toEqual(["08006"]);
    const running = await listDueRunning(db);
    expect(codesOf(running.faults)).toEqual(["08006"]);
    expect(idsOf(running.found)).toEqual([organizationId, withoutPeriod].toSorted());
    expect(await countDue(db)).toBe(2);
    const ended = await listDuePeriods(db, { limit: 10 });
    expect(codesOf(ended.faults)).toEqual(["08006"]);
    expect(idsOf(ended.due)).toEqual([organizationId]);
    expect(await readBudget(db, undefined)).toEqual({ perDay: 16, evidencePerDay: 500 });
    await expect(remindOfRequests({ db, boss })).rejects.toMatchObject(isAway);
    await expect(sweepCustomerReads({ db, boss })).rejects.toMatchObject(isAway);
    expect(await listReminded(database.db)).toEqual([
      { name: "answer-reconcile-request", id: organizationId },
      { name: "read-customer", id: organizationId },
    ]);

    await bringBack();
    expect(await openCalendarMonths(db)).toEqual([]);
    expect(idsOf((await listDueRunning(db)).found)).toEqual([organizationId, withoutPeriod, held].toSorted());
    expect(idsOf((await listDuePeriods(db, { limit: 10 })).due)).toEqual([organizationId, held].toSorted());
    await remindOfRequests({ db, boss });
    await sweepCustomerReads({ db, boss });
    expect(await listReminded(database.db)).toHaveLength(4);
  },
);

test.runIf(isCluster)(
  "while a node is away, doubt of an organization on another node ends: by a newer value, by a sum that has it, and by one that lacks it",
  async ({ books, doubt, database }) => {
    const held = await addOnNode(database.db, books.organizationId, "other");
    await linkCustomer(database.db, held, { customer: "cus_held" });
    const overtaken = await doubt.add({ at: hoursAgo(30, 10), meter: "active_sensors", isCounted: false });
    await books.addBoth({ at: hoursAgo(30, 40), meter: "active_sensors" });
    const absent = await doubt.add({ at: hoursAgo(20), quantity: 4, isCounted: false });
    await books.addBoth({ at: hoursAgo(20, 30), quantity: 2 });
    const bringBack = await cutOffNode(database, held);
    await expect(doubt.resolve()).rejects.toMatchObject(isAway);
    await bringBack();
    expect(await doubt.read(overtaken)).toMatchObject({ state: "superseded", reason: "newer_value" });
    expect(await doubt.read(absent)).toMatchObject({ state: "in_doubt" });
    await books.passTime(3_601);
    const found = await doubt.add({ at: hoursAgo(10), quantity: 3, isCounted: true });
    const bringBackAgain = await cutOffNode(database, held);
    await expect(doubt.resolve()).rejects.toMatchObject(isAway);
    await bringBackAgain();

    expect(await doubt.read(found)).toMatchObject({ state: "delivered", reason: "found_in_sum" });
    const { replaced_by_id: replacement, ...settled } = await doubt.read(absent);
    expect(settled).toMatchObject({ state: "superseded", reason: "absent_from_sum" });
    expect(await doubt.read(String(replacement))).toMatchObject({ state: "pending", quantity: "4" });
  },
);

/** Each code once. */
function codesOf(faults: readonly unknown[]): unknown[] {
  return [...new Set(faults.map((fault) => (fault as { code?: unknown }).code))];
}

function idsOf(periods: readonly { organizationId: string }[]): string[] {
  return periods.map(({ organizationId }) => organizationId).toSorted();
}

/** A period that ended, a request and a wanted read, whose jobs are lost. */
async function furnish(db: Db, id: string): Promise<void> {
  await sql`
    insert into metering.billing_periods (organization_id, period_start, period_end, stripe_customer_id)
    values (${id}, ${hoursAgo(1_000)}, ${hoursAgo(600)}, 'cus_1')
  `.execute(db);
  await sql`
    insert into metering.reconcile_requests (organization_id, cause, period_from, period_to, asked_at)
    values (${id}, 'operator', ${hoursAgo(100)}, ${hoursAgo(90)}, ${hoursAgo(1)})
  `.execute(db);
  await sql`
    update metering.subscriptions set read_wanted_at = ${hoursAgo(1)} where organization_id = ${id}
  `.execute(db);
}

async function listReminded(db: Db): Promise<{ name: string; id: string }[]> {
  const { rows } = await sql<{ name: string; id: string }>`
    select name, data ->> 'organizationId' as id
    from pgboss.job
    where name in ('answer-reconcile-request', 'read-customer')
    order by name, id
  `.execute(db);
  return rows;
}
