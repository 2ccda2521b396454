import type { Pool } from "pg";
import { sql } from "kysely";
import { expect } from "vitest";
import { createStripe } from "../stripe/client.ts";
import { createStripeReads } from "../stripe/reads.ts";
import { closeTest } from "../testing/fixtures/close-fixture.ts";
import { countWaitingForLocks } from "../testing/postgres/locks.ts";
import { listInvoices } from "../reconciliation/close/billing-periods.ts";
import { readStatement } from "../reconciliation/close/statement.ts";
import { adoptInvoice } from "./adopt-invoice.ts";
import { applyStripeEvent } from "./apply-event.ts";
import { storeStripeEvent } from "./inbox.ts";
import type { InvoiceToAdopt } from "./read-invoice.ts";

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** Invoices of the period as Stripe told them, in any order. */
const test = closeTest.extend("tell", ({ close }) => {
  const { customer, subscriptionId, start, end, deps } = close;
  return async (
    id: string,
    change: Partial<NonNullable<InvoiceToAdopt["invoice"]>> & {
      quantity?: string;
      readMinutesAgo?: number;
      usageStart?: Date;
      usageEnd?: Date;
      /** While the transaction is open. */
      before?: Promise<unknown>;
    } = {},
  ) => {
    const {
      quantity = "10",
      readMinutesAgo = 0,
      usageStart = start,
      usageEnd = end,
      before,
      ...rest
    } = change;
    const status = rest.status ?? "draft";
    const readBeganAt = new Date(Date.now() - readMinutesAgo * minuteMs).toISOString();
    const invoice = {
      id,
      customerId: customer,
      subscriptionId,
      billingReason: "subscription_cycle",
      status,
      createdAt: end,
      finalizesAt: status === "draft" ? new Date(end.getTime() + 60 * minuteMs) : null,
      finalizedAt: status === "draft" ? null : new Date(end.getTime() + minuteMs),
      paidAt: status === "paid" ? new Date(end.getTime() + 2 * minuteMs) : null,
      periodStart: start,
      periodEnd: end,
      ...rest,
    };
    const usage = {
      start: usageStart,
      end: usageEnd,
      shortest: { start: usageStart, end: usageEnd },
      invoiced: { temperature_readings: quantity },
      billedTwice: [],
    };
    return deps.db.transaction().execute(async (trx) => {
      const read = { invoiceId: id, customerId: customer, invoice, usage, readBeganAt };
      const adopted = await adoptInvoice(trx, read);
      await before;
      return adopted;
    });
  };
});

test("what Stripe said first changes nothing when it comes last, and the same twice changes nothing", async ({
  close,
  tell,
}) => {
  expect(await tell("in_1", { status: "paid", readMinutesAgo: 1 })).toBe("invoice_noted");
  const { closedAt } = await close.period();
  expect(await tell("in_1", { status: "open", readMinutesAgo: 2 })).toBe("invoice_known");
  expect(await tell("in_1", { readMinutesAgo: 3, quantity: "3" })).toBe("invoice_known");
  expect(await tell("in_1", { status: "paid" })).toBe("invoice_noted");

  expect(await close.invoice()).toMatchObject({ status: "paid", invoiced: { temperature_readings: "10" } });
  expect(closedAt).toBeInstanceOf(Date);
  expect((await close.period()).closedAt).toEqual(closedAt);
});

test("several invoices of one period add up, and it is open again when the final ones are void", async ({
  close,
  tell,
  database: { db },
}) => {
  await close.addOurs(25);
  await close.countTheirs(25);
  await tell("in_1", { status: "paid", quantity: "10", subscriptionId: "sub_a", readMinutesAgo: 2 });
  await tell("in_2", { status: "open", quantity: "14.5", subscriptionId: "sub_b", readMinutesAgo: 2 });
  await tell("in_3", { quantity: "99", subscriptionId: "sub_c", readMinutesAgo: 2 });
  const statement = async () => readStatement(db, await close.period());
  const both = await statement();

  expect(both.meters[0]).toMatchObject({ invoiced: "24.5", difference: "0.5" });
  expect(both.invoices.map(({ id }) => id).toSorted()).toEqual(["in_1", "in_2", "in_3"]);
  // A draft bills nothing yet.
  expect(both.invoices.at(-1)?.id).toBe("in_3");

  await tell("in_1", { status: "void", quantity: "10", readMinutesAgo: 1 });
  expect((await statement()).meters[0]).toMatchObject({ invoiced: "14.5" });
  expect((await close.period()).closedAt).toBeInstanceOf(Date);
  await tell("in_2", { status: "void", readMinutesAgo: 1 });
  expect((await statement()).meters[0]).toMatchObject({ invoiced: null });
  expect((await close.period()).closedAt).toBeNull();
});

test("two invoices that become void at once leave the period open", async ({
  close,
  tell,
  database: { pool },
}) => {
  await tell("in_1", { status: "open", readMinutesAgo: 2 });
  await tell("in_2", { status: "open", readMinutesAgo: 2 });
  expect((await close.period()).closedAt).toBeInstanceOf(Date);
  const mayCommit = Promise.withResolvers<void>();

  const first = tell("in_1", { status: "void", before: mayCommit.promise });
  await expect.poll(() => countIdleInTransaction(pool)).toBe(1);
  const second = tell("in_2", { status: "void" });
  await expect.poll(() => countWaitingForLocks(pool)).toBe(1);
  mayCommit.resolve();
  await Promise.all([first, second]);

  expect((await close.period()).closedAt).toBeNull();
});

async function countIdleInTransaction(pool: Pool): Promise<number> {
  const { rows } = await pool.query(
    "select from pg_stat_activity where datname = current_database() and state = 'idle in transaction'",
  );
  return rows.length;
}

test("an invoice of a threshold bills a part, and neither closes the period nor ends it", async ({
  close,
  tell,
}) => {
  const usageEnd = new Date(close.end.getTime() - 24 * 60 * minuteMs);
  await tell("in_1", { status: "paid", billingReason: "subscription_threshold", quantity: "4", usageEnd });
  expect(await close.period()).toMatchObject({ closedAt: null, end: close.end });
});

test("until the invoice at the period's end is final, usage after a threshold's invoice is neither late nor a difference", async ({
  close,
  tell,
  database: { db },
}) => {
  const threshold = { status: "paid", billingReason: "subscription_threshold", quantity: "4" };
  await close.addOurs(4);
  await close.countTheirs(4);
  await tell("in_1", threshold);
  await close.addOurs(6, { delivered_at: new Date() });
  await close.countTheirs(6);
  const readings = async () => (await readStatement(db, await close.period())).meters[0];
  expect(await readings()).toMatchObject({ invoiced: "4", difference: "0", rows: [] });

  await tell("in_2", { status: "paid", quantity: "5", finalizedAt: new Date(Date.now() + minuteMs) });
  expect(await readings()).toMatchObject({
    invoiced: "9",
    difference: "1",
    rows: [{ kind: "unexplained", quantity: "1" }],
  });
});

test.for(["open", "paid", "uncollectible"])(
  "an invoice that is %s is final, and closes the period",
  async (status, { close, tell }) => {
    await tell("in_1", { status });
    expect((await close.period()).closedAt).toBeInstanceOf(Date);
  },
);

test("a final invoice that Stripe does not know, as with another account's key, stays as it is", async ({
  close,
  tell,
}) => {
  await tell("in_1", { status: "paid", readMinutesAgo: 2 });
  const gone = { invoiceId: "in_1", customerId: close.customer, invoice: undefined, usage: undefined };

  const adopted = await close.deps.db
    .transaction()
    .execute((trx) => adoptInvoice(trx, { ...gone, readBeganAt: new Date().toISOString() }));

  expect(adopted).toBe("invoice_of_others");
  expect(await close.invoice()).toMatchObject({ status: "paid" });
  expect((await close.period()).closedAt).toBeInstanceOf(Date);
});

test("a draft that was deleted bills nothing, whatever older reads say of it", async ({ close, tell }) => {
  await tell("in_1", { readMinutesAgo: 2 });
  const gone = { invoiceId: "in_1", customerId: close.customer, invoice: undefined, usage: undefined };
  const delivered = (readBeganAt: Date) =>
    close.deps.db
      .transaction()
      .execute((trx) => adoptInvoice(trx, { ...gone, readBeganAt: readBeganAt.toISOString() }));
  expect(await delivered(new Date(Date.now() - 3 * minuteMs))).toBe("invoice_of_others");
  expect(await close.invoice()).toMatchObject({ status: "draft" });
  expect(await delivered(new Date())).toBe("invoice_gone");
  expect(await tell("in_1", { readMinutesAgo: 1 })).toBe("invoice_known");
  expect(await close.invoice()).toMatchObject({ status: "deleted", finalizesAt: null });
});

test("of two periods that ended early, each has its own invoice, though the later one's is told first", async ({
  close,
  tell,
}) => {
  const middle = new Date(close.start.getTime() + 5 * dayMs);
  await close.nameSubscription(close.subscriptionId);
  await tell("in_2", {
    periodStart: middle,
    usageStart: middle,
    usageEnd: new Date(close.end.getTime() - dayMs),
  });
  await tell("in_1", { usageEnd: middle });

  const later = { organizationId: close.organizationId, start: middle };
  expect(await close.period()).toMatchObject({ end: middle });
  expect(await close.invoice()).toMatchObject({ id: "in_1" });
  expect(await listInvoices(close.deps.db, later)).toMatchObject([{ id: "in_2" }]);
});

test("an invoice whose lines begin later than its period, as of a price that was added, bills that period", async ({
  close,
  tell,
}) => {
  await close.nameSubscription(close.subscriptionId);
  await tell("in_1", { usageStart: new Date(close.start.getTime() + 5 * dayMs) });

  expect(await close.invoice()).toMatchObject({ id: "in_1" });
});

test("an invoice of a customer who pays for no organization is none of ours", async ({ tell, close }) => {
  expect(await tell("in_1", { customerId: "cus_of_others", status: "paid" })).toBe("invoice_of_others");
  expect(await close.invoice()).toBeUndefined();
});

test("events of a backlog that had arrived when their invoice was last read ask Stripe nothing", async ({
  close,
  account,
  boss,
  database: { db },
}) => {
  const invoice = await account.stripe.invoices.retrieve(close.endPeriod());
  const client = createStripe({ apiKey: account.secretKey, apiBase: account.url, timeoutMs: 15_000 });
  const { db: asWorker, eventNames } = close.deps;
  const deps = { db: asWorker, boss, eventNames, reads: createStripeReads(client, account.secretKey) };
  const read = `GET /v1/invoices/:id/lines`;
  const reads = () => account.simulator.requests().by_route[read] ?? 0;
  const handle = async (id: string, type: string, arrived: string) => {
    const event = { id, object: "event", type, livemode: false, data: { object: { ...invoice } } } as const;
    await storeStripeEvent({ db, boss }, event);
    await sql`update metering.stripe_events set received_at = now() - ${arrived}::interval where event_id = ${id}`.execute(
      db,
    );
    const applied = await applyStripeEvent(deps, event);
    return applied.kind === "done" ? applied.effect : applied.kind;
  };

  expect(await handle("evt_1", "invoice.updated", "2 minutes")).toBe("invoice_noted");
  expect(await handle("evt_2", "invoice.updated", "2 minutes")).toBe("read_since");
  expect(await handle("evt_3", "invoice.created", "2 minutes")).toBe("flushed");
  expect(await handle("evt_4", "invoice.finalized", "2 minutes")).toBe("read_since");
  expect(await handle("evt_5", "invoice.updated", "5 seconds")).toBe("invoice_noted");
  expect(reads()).toBe(3);
});
