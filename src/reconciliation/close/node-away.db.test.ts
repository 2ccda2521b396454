import { sql } from "kysely";
import { expect, inject } from "vitest";
import { noteOrganizationOf } from "../../database/customer-organizations.ts";
import type { Db } from "../../database/db.ts";
import { closeTest } from "../../testing/fixtures/close-fixture.ts";
import { addOnNode, cutOffNode } from "../../testing/postgres/cut-off-node.ts";
import { linkCustomer } from "../../testing/rows/organizations.ts";
import { closePeriods } from "./close-periods.ts";

const isCluster = inject("testServer").cluster !== undefined;
const minuteMs = 60_000;
const hourAgo = () => new Date(Date.now() - 60 * minuteMs);

/** `held`: an organization on another node than the fixture's. */
const test = closeTest.extend("site", async ({ close, database }) => {
  const held = await addOnNode(database.db, close.organizationId, "other");
  await linkCustomer(database.db, held, { customer: "cus_held" });
  return {
    held,
    cutOff: () => cutOffNode({ ...database, db: close.deps.db }, held),
    /** A run of a worker's job, so many minutes from now at Stripe. */
    look: async (minutes: number, lateUsage: "report" | "carry_forward" = "report") => {
      await makeDue(database.db, close.organizationId);
      const stripeNowMs = () => Date.now() + minutes * minuteMs;
      await closePeriods({ ...close.deps, stripeNowMs, lateUsage });
    },
  };
});

test.runIf(isCluster)(
  "while a node is away, a period on another node is compared and closed, its draft held and released, and its late usage carried",
  async ({ close, site, account: { stripe }, database: { db } }) => {
    const id = close.endPeriod();
    const due = (await stripe.invoices.retrieve(id)).automatically_finalizes_at ?? 0;
    await close.addOurs(10);
    await close.countTheirs(10);
    const waiting = await close.addOurs(7, {
      state: "pending",
      attempts_started: 0,
      attempts_finished: 0,
      last_attempt_at: null,
      delivered_at: null,
    });
    const bringBack = await site.cutOff();

    expect(await close.adopt(id)).toBe("invoice_noted");
    await expect(site.look(45)).rejects.toThrow("could not be looked at");
    expect((await stripe.invoices.retrieve(id)).automatically_finalizes_at).toBe(due + 3_600);

    await close.countTheirs(7);
    await deliver(db, { organizationId: close.organizationId, id: waiting });
    await expect(site.look(47)).rejects.toThrow("could not be looked at");
    expect(close.told("invoice_released")).toHaveLength(1);
    expect(await close.period()).toMatchObject({ books: "equal", closedAt: null });

    await stripe.invoices.finalizeInvoice(id);
    await close.adopt(id);
    await close.addOurs(3, {
      state: "pending",
      attempts_started: 0,
      attempts_finished: 0,
      last_attempt_at: null,
      delivered_at: null,
    });
    await expect(site.look(48, "carry_forward")).rejects.toThrow("could not be looked at");
    expect(await close.period()).toMatchObject({ closedAt: expect.any(Date), notBilled: null });
    expect(close.told("late_usage_carried_forward")).toMatchObject([{ events: 1 }]);
    await bringBack();
  },
);

test.runIf(isCluster)(
  "a period of a customer who paid for an organization on the node that is away waits, and is never compared without it",
  async ({ close, site, database: { db } }) => {
    await noteOrganizationOf(db, site.held, close.customer);
    await close.addOurs(10);
    await close.addOurs(5, { organization_id: site.held });
    await close.countTheirs(15);
    await close.adopt(close.endPeriod());
    const bringBack = await site.cutOff();

    await expect(site.look(1)).rejects.toThrow("could not be looked at");
    expect(await close.period()).toMatchObject({ books: null });
    expect(await countLooks(db, close.organizationId)).toBe(0);

    await bringBack();
    await site.look(2);
    expect(await close.period()).toMatchObject({ books: "equal" });
  },
);

async function makeDue(db: Db, organizationId: string): Promise<void> {
  await sql`
    update metering.billing_periods set next_look_at = now()
    where organization_id = ${organizationId} and next_look_at < '9000-01-01'
  `.execute(db);
}

async function deliver(
  db: Db,
  { organizationId, id }: { organizationId: string; id: string },
): Promise<void> {
  await sql`
    update metering.meter_events
    set state = 'delivered', delivered_at = ${hourAgo()}, last_attempt_at = ${hourAgo()}, attempts_started = 1,
      attempts_finished = 1
    where organization_id = ${organizationId} and id = ${id}
  `.execute(db);
}

async function countLooks(db: Db, organizationId: string): Promise<number> {
  const { rows } = await sql`
    select from metering.reconciliations where organization_id = ${organizationId}
  `.execute(db);
  return rows.length;
}
