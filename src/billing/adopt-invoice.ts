import { sql } from "kysely";
import { listOrganizationsOf } from "../database/customer-organizations.ts";
import type { Trx } from "../database/db.ts";
import type { InvoiceRead } from "../stripe/invoices.ts";
import { billedStatuses, endsPeriod, type InvoiceUsage } from "./invoice-usage.ts";
import { beginsWith, makePeriod, type PeriodKey } from "./make-period.ts";
import type { InvoiceToAdopt } from "./read-invoice.ts";

/** What was done about an invoice, in one word. */
export type Adopted = "invoice_noted" | "invoice_known" | "invoice_gone" | "invoice_of_others";

/**
 * Writes what Stripe says now of an invoice to the billing period whose usage it bills, and `wakes` a worker to look at
 * that period at once. A read that began before the one that is stored changes nothing; nor does an invoice that bills none of our
 * meters, or whose customer pays for no organization. So order and repetition do not matter.
 */
export async function adoptInvoice(
  trx: Trx,
  read: InvoiceToAdopt,
  { wakes = true }: { wakes?: boolean } = {},
): Promise<Adopted> {
  const { invoice } = read;
  if (invoice === undefined) return markGone(trx, read, { wakes });
  const period = await findPeriod(trx, { invoice, usage: read.usage });
  if (period === undefined) return "invoice_of_others";
  const { id, subscriptionId, status } = invoice;
  const noted = await sql`
    insert into metering.billing_invoices as i (
      organization_id, invoice_id, period_start, stripe_customer_id, stripe_subscription_id, billing_reason, status,
      invoiced, billed_twice, created_at, finalizes_at, finalized_at, paid_at, read_began_at
    )
    values (
      ${period.organizationId}, ${id}, ${period.start}, ${invoice.customerId}, ${subscriptionId},
      ${invoice.billingReason}, ${status}, ${JSON.stringify(read.usage?.invoiced ?? {})}::jsonb, ${read.usage?.billedTwice ?? []}::text[], ${invoice.createdAt},
      ${invoice.finalizesAt}, ${invoice.finalizedAt}, ${invoice.paidAt}, ${read.readBeganAt}::timestamptz
    )
    on conflict (organization_id, invoice_id) do update set
      status = excluded.status, invoiced = excluded.invoiced, billed_twice = excluded.billed_twice, finalizes_at = excluded.finalizes_at,
      finalized_at = excluded.finalized_at, paid_at = excluded.paid_at, read_began_at = excluded.read_began_at
    where i.read_began_at < excluded.read_began_at
    returning invoice_id
  `.execute(trx);
  if (noted.rows.length === 0) return "invoice_known";
  await closePeriod(trx, period, { wakes });
  return "invoice_noted";
}

/** A draft that was deleted bills nothing. Stripe deletes no other invoice: another account's key does not know a final one. */
async function markGone(
  trx: Trx,
  { invoiceId, customerId, readBeganAt }: InvoiceToAdopt,
  options: { wakes: boolean },
): Promise<Adopted> {
  const gone = await sql<PeriodKey>`
    update metering.billing_invoices
    set status = 'deleted', finalizes_at = null, read_began_at = ${readBeganAt}::timestamptz
    where organization_id = any(${await listOrganizationsOf(trx, customerId)}::uuid[])
      and invoice_id = ${invoiceId} and status = 'draft' and read_began_at < ${readBeganAt}::timestamptz
    returning organization_id as "organizationId", period_start as start
  `.execute(trx);
  for (const period of gone.rows) await closePeriod(trx, period, options);
  return gone.rows.length === 0 ? "invoice_of_others" : "invoice_gone";
}

/**
 * The period whose usage the invoice bills: the one that it was noted with before, that of its own subscription, or one of the
 * same time. An invoice that fits none, as of a subscription that is not the followed one or of which no event has told, gets a
 * period of its own, which may overlap others.
 */
async function findPeriod(
  trx: Trx,
  { invoice, usage }: { invoice: InvoiceRead; usage: InvoiceUsage | undefined },
): Promise<PeriodKey | undefined> {
  if (usage === undefined) return findEmptyPeriod(trx, invoice);
  const known = await findPeriodOfUsage(trx, invoice, usage);
  const link = known === undefined ? await holdLinkOf(trx, invoice) : undefined;
  // Another transaction may have made one before the link was held, as for the same invoice.
  const period = known ?? (link && (await findPeriodOfUsage(trx, invoice, usage)));
  if (period === undefined) return link && makePeriodOf(trx, link, { invoice, usage });
  if (period.beginsTogether && endsPeriod(invoice)) await moveEnd(trx, period, { invoice, usage });
  return period;
}

/** Of a period `p`: it is of this subscription, as far as is known. */
const isOwn = (subscriptionId: string | null) =>
  sql<boolean>`coalesce(p.stripe_subscription_id = ${subscriptionId}::text, true)`;

// A customer pays for one organization at a time, and periods of both before and after a move are kept with it.
async function findPeriodOfUsage(
  trx: Trx,
  { id, customerId, subscriptionId, billingReason, periodStart }: InvoiceRead,
  { end, shortest }: InvoiceUsage,
): Promise<(PeriodKey & { beginsTogether: boolean }) | undefined> {
  const { start } = shortest;
  const own = isOwn(subscriptionId);
  // Of a later period of the same subscription: this one ended early, which nothing has told yet. A price that was added
  // inside a period has lines that begin later than its invoice's own period.
  const isLater = sql<boolean>`
    (${billingReason === "subscription_cycle"} and p.period_start <= ${periodStart}::timestamptz - interval '1 second')
  `;
  // A period of which no subscription is known is this one's only where both begin or end together: else it is no more than a
  // calendar month, and gives way.
  const isTold = sql<boolean>`
    case when p.stripe_subscription_id is null then p.period_end = ${end} else not ${isLater} end
  `;
  const organizationIds = await listOrganizationsOf(trx, customerId);
  // A price of a longer interval has lines of several whole periods of the subscription: such an invoice is none of one of them. A
  // subquery that names columns of `p` would have a cluster ask all nodes.
  const isOfSeveral = sql<boolean>`
    coalesce(
      p.period_end <= (
        select max(o.period_start) from metering.billing_periods o
        where o.organization_id = any(${organizationIds}::uuid[]) and o.stripe_customer_id = ${customerId}
          and o.stripe_subscription_id = ${subscriptionId} and o.period_end <= ${shortest.end}
      ),
      false
    )
  `;
  const found = await sql<PeriodKey & { beginsTogether: boolean }>`
    select p.organization_id as "organizationId", p.period_start as start, ${beginsWith(start)} as "beginsTogether"
    from metering.billing_periods p
    left join metering.customer_links l
      on l.organization_id = p.organization_id and l.stripe_customer_id = p.stripe_customer_id
    left join metering.billing_invoices i
      on i.organization_id = p.organization_id and i.period_start = p.period_start and i.invoice_id = ${id}
    where p.organization_id = any(${organizationIds}::uuid[]) and p.stripe_customer_id = ${customerId}
      and (
        i.invoice_id is not null
        or (${own} and p.period_start <= ${start} and p.period_end > ${start} and ${isTold} and not ${isOfSeveral})
        or (${beginsWith(start)} and (${own} and not ${isOfSeveral} or p.period_end = ${end}))
      )
    order by i.invoice_id is not null desc, ${own} desc, p.period_start desc, l.linked_at desc
    limit 1
  `.execute(trx);
  return found.rows[0];
}

/**
 * An invoice knows better when its period ended than the subscription did when that began. Periods of other customers and
 * of other subscriptions may overlap it; one of its own that has begun meanwhile may not.
 */
async function moveEnd(
  trx: Trx,
  { organizationId, start }: PeriodKey,
  { invoice, usage }: { invoice: InvoiceRead; usage: InvoiceUsage },
): Promise<void> {
  await sql`
    update metering.billing_periods m set period_end = ${usage.end}
    where organization_id = ${organizationId} and period_start = ${start}
      and period_end <> ${usage.end}
      and not exists (
        select from metering.billing_periods p
        where p.organization_id = m.organization_id and p.period_start > m.period_start
          and p.period_start < ${usage.end} and p.stripe_customer_id = m.stripe_customer_id
          and ${isOwn(invoice.subscriptionId)}
      )
  `.execute(trx);
}

type Link = { organizationId: string; customer: string };

/**
 * The organization that the invoice's customer paid for last. Its subscription's row is locked, as by all that makes periods of
 * it, until the transaction ends.
 */
async function holdLinkOf(trx: Trx, { customerId }: InvoiceRead): Promise<Link | undefined> {
  const linked = await sql<Link>`
    select organization_id as "organizationId", stripe_customer_id as customer
    from metering.customer_links
    where organization_id = any(${await listOrganizationsOf(trx, customerId)}::uuid[])
      and stripe_customer_id = ${customerId}
    order by linked_at desc
    limit 1
  `.execute(trx);
  const [link] = linked.rows;
  if (link === undefined) return undefined;
  await sql`
    select from metering.subscriptions where organization_id = ${link.organizationId} for update
  `.execute(trx);
  return link;
}

async function makePeriodOf(
  trx: Trx,
  link: Link,
  { invoice, usage }: { invoice: InvoiceRead; usage: InvoiceUsage },
): Promise<PeriodKey | undefined> {
  const { start, end } = usage;
  const made = await makePeriod(trx, { ...link, start, end, subscriptionId: invoice.subscriptionId });
  return made ?? findPeriod(trx, { invoice, usage });
}

/** The invoice of a followed subscription whose metered items were taken away: it closes its period, and bills nothing. */
async function findEmptyPeriod(trx: Trx, invoice: InvoiceRead): Promise<PeriodKey | undefined> {
  if (invoice.billingReason !== "subscription_cycle") return undefined;
  const found = await sql<PeriodKey>`
    select organization_id as "organizationId", period_start as start
    from metering.billing_periods p
    where organization_id = any(${await listOrganizationsOf(trx, invoice.customerId)}::uuid[])
      and stripe_customer_id = ${invoice.customerId} and stripe_subscription_id = ${invoice.subscriptionId}
      and ${beginsWith(invoice.periodStart)}
    limit 1
  `.execute(trx);
  return found.rows[0];
}

/** A period is closed as long as one of its invoices is final, and is looked at when that changes. */
async function closePeriod(
  trx: Trx,
  { organizationId, start }: PeriodKey,
  { wakes }: { wakes: boolean },
): Promise<void> {
  const isOfPeriod = sql`organization_id = ${organizationId} and period_start = ${start}`;
  await sql`
    select 1 from metering.billing_periods where ${isOfPeriod} for update
  `.execute(trx);
  const final = await sql`
    select 1
    from metering.billing_invoices
    where ${isOfPeriod} and status = any(${billedStatuses}::text[])
      and billing_reason is distinct from 'subscription_threshold'
    limit 1
  `.execute(trx);
  const isFinal = final.rows.length > 0;
  await sql`
    update metering.billing_periods set closed_at = ${isFinal ? sql`now()` : sql`null`}
    where ${isOfPeriod} and closed_at ${isFinal ? sql`is null` : sql`is not null`}
  `.execute(trx);
  if (wakes) {
    await sql`update metering.billing_periods set next_look_at = now() where ${isOfPeriod}`.execute(trx);
  }
}
