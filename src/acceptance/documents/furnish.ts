import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { addMeterEvent } from "../../testing/rows/meter-events.ts";
import { addOrganization, linkCustomer } from "../../testing/rows/organizations.ts";
import type { StripeAccount } from "../../testing/stripe/stripe-account.ts";

type Deps = { db: Db; account: StripeAccount };

/** The organization of the examples in docs/record-usage.md. */
export const exampleOrganization = "01938c5e-7f3a-7c61-9d55-3c1f5a2b8e90";

/**
 * The rows that a document's reader has before the first command, by document; the readers of other documents begin
 * with an empty database.
 */
export const furnish: Record<string, (deps: Deps) => Promise<void>> = {
  "README.md": haveSubscribed,
  "docs/operation.md": haveAnotherPath,
  "docs/metrics.md": haveTroubles,
};

/** The README's customer has a subscription that bills both meters, so that its usage lies on an invoice. */
async function haveSubscribed({ account }: Deps): Promise<void> {
  const customer = "cus_123";
  account.simulator.addCustomers(customer);
  const items = Object.values(account.priceIds).map((price) => ({ price }));
  await account.stripe.subscriptions.create({ customer, items });
}

/** The readers who migrate from another path have a customer whose period is running. */
async function haveAnotherPath({ db, account }: Deps): Promise<void> {
  const { id: customer } = await account.stripe.customers.create();
  const dayMs = 86_400_000;
  const [periodStart, periodEnd] = [new Date(Date.now() - dayMs), new Date(Date.now() + dayMs)];
  await addOrganization(db, { customer, periodStart, periodEnd });
}

/** The readers of the runbook have alerts: usage in doubt, refused usage, and two webhook events that failed. */
async function haveTroubles({ db, account }: Deps): Promise<void> {
  const customer = async () => ({ stripe_customer_id: (await account.stripe.customers.create()).id });
  await addMeterEvent(db, { state: "in_doubt", reason: "identifier_too_old", ...(await customer()) });
  await addMeterEvent(db, { state: "rejected", reason: "refused_by_stripe", ...(await customer()) });
  const checkout = { object: "event", type: "checkout.session.completed", livemode: false };
  await db
    .insertInto("stripe_events")
    .values(
      ["evt_1", "evt_2"].map((id) => ({
        event_id: id,
        event_type: checkout.type,
        livemode: checkout.livemode,
        payload: JSON.stringify({ id, ...checkout, data: { object: {} } }),
        state: "failed",
        error: "there is no organization org_1",
      })),
    )
    .execute();
}

/** The readers of record-usage.md have a table of their own, in the same database. */
export async function haveExports({ db, account }: Deps): Promise<void> {
  await sql`create table public.exports (id bigint primary key, organization_id uuid not null, pages integer not null)`.execute(
    db,
  );
  await sql`insert into metering.organizations (id, name) values (${exampleOrganization}, 'Acme')`.execute(
    db,
  );
  const { id: customer } = await account.stripe.customers.create();
  await linkCustomer(db, exampleOrganization, { customer });
}
