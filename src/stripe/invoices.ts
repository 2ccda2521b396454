import { idOf } from "./id-of.ts";
import Stripe from "stripe";
import { isMissing } from "./answer.ts";
import { rememberPrices } from "./remember-prices.ts";
import { eachOf } from "./each-of.ts";
import { ForeignAnswer } from "./foreign-answer.ts";

/** A line that bills a meter. */
export type MeteredLine = {
  meterId: string;
  priceId: string;
  quantity: string;
  periodStart: Date;
  periodEnd: Date;
};

/** An invoice as Stripe has it at the moment of the read. */
export type InvoiceRead = {
  id: string;
  customerId: string | null;
  subscriptionId: string | null;
  /** Why it was made, in Stripe's own word; the list is open, and so is that of statuses. */
  billingReason: string | null;
  status: string;
  createdAt: Date;
  /** When Stripe finalizes it by itself; null: it does not, or has. */
  finalizesAt: Date | null;
  finalizedAt: Date | null;
  paidAt: Date | null;
  periodStart: Date;
  periodEnd: Date;
};

/** The result of an attempt to move a draft's finalization. */
export type Moved =
  | { kind: "moved"; finalizesAt: Date | null }
  /** It is no draft any more, or is gone. */
  | { kind: "too_late"; detail: string }
  /** The key may not write invoices. */
  | { kind: "forbidden"; detail: string };

export type StripeInvoices = {
  /** Undefined for one that Stripe does not know, as after its deletion. */
  read: (id: string) => Promise<InvoiceRead | undefined>;
  /** Those of its lines that bill a meter, all pages. */
  readLines: (id: string) => Promise<MeteredLine[]>;
  /** A customer's invoices that were made since, the newest first, so many at most. */
  listSince: (customerId: string, since: Date, limit: number) => Promise<InvoiceRead[]>;
  /** Sets when Stripe finalizes a draft. The same twice changes nothing. */
  finalizeAt: (id: string, at: Date) => Promise<Moved>;
};

/**
 * Small pages: lines carry their subscription's metadata, invoices their first lines, and a page must stay below the longest
 * answer that is read.
 */
const linesPageSize = 20;
const listPageSize = 20;
const graceSeconds = 3_600;

/** Reads and moves invoices. Each throws the SDK's error for what is none of its answers. */
export function createStripeInvoices(stripe: Stripe): StripeInvoices {
  const meterOf = rememberPrices(stripe);
  return {
    async read(id) {
      try {
        return invoiceRead(await stripe.invoices.retrieve(id));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    async readLines(id) {
      const lines: MeteredLine[] = [];
      for await (const line of eachOf(stripe.invoices.listLineItems(id, { limit: linesPageSize }))) {
        // Usage would count as billed, or as not billed, by another invoice, after a mix-up on the way.
        if (typeof line.invoice === "string" && line.invoice !== id) {
          throw new ForeignAnswer(200, "its lines are another invoice's");
        }
        const price = line.pricing?.price_details?.price ?? null;
        const meterId = await meterOf(price);
        if (price === null || meterId === null) continue;
        const priceId = typeof price === "string" ? price : price.id;
        lines.push(meteredLine(line, { meterId, priceId }));
      }
      return lines;
    },
    async listSince(customer, since, limit) {
      const created = { gte: unixSeconds(since) };
      const listed: InvoiceRead[] = [];
      for await (const invoice of eachOf(stripe.invoices.list({ customer, created, limit: listPageSize }))) {
        // A period would count as without an invoice, after a mix-up on the way.
        if (idOf(invoice.customer) !== customer) {
          throw new ForeignAnswer(200, "its invoices are another customer's");
        }
        listed.push(invoiceRead(invoice));
        if (listed.length === limit) break;
      }
      return listed;
    },
    finalizeAt: (id, at) => finalizeAt(stripe, id, at),
  };
}

async function finalizeAt(stripe: Stripe, id: string, at: Date): Promise<Moved> {
  try {
    // Without `auto_advance` Stripe would not finalize it at all; it is not set here: who turned it off wants that.
    const moved = await stripe.invoices.update(id, { automatically_finalizes_at: unixSeconds(at) });
    return { kind: "moved", finalizesAt: fromUnix(moved.automatically_finalizes_at) };
  } catch (error) {
    const { statusCode, message } = error instanceof Stripe.errors.StripeError ? error : {};
    if (statusCode === 403) return { kind: "forbidden", detail: "the key may not write invoices" };
    if (statusCode === 400 || statusCode === 404) return { kind: "too_late", detail: message ?? "" };
    throw error;
  }
}

/**
 * Whether the key may write invoices: an invoice that cannot exist is changed, which Stripe refuses with 404 when the
 * key may, and with 403 when it may not (docs.stripe.com/keys/restricted-api-keys). Throws the SDK's error for all else.
 */
export async function mayWriteInvoices(stripe: Stripe): Promise<boolean> {
  try {
    await stripe.invoices.update("in_meter_outbox_doctor", { description: "" });
    return true;
  } catch (error) {
    if (isMissing(error)) return true;
    if (error instanceof Stripe.errors.StripeError && error.statusCode === 403) return false;
    throw error;
  }
}

function invoiceRead(invoice: Stripe.Invoice): InvoiceRead {
  const { id, status, created, status_transitions: transitions } = invoice;
  return {
    id,
    customerId: idOf(invoice.customer),
    subscriptionId: idOf(invoice.parent?.subscription_details?.subscription),
    billingReason: invoice.billing_reason,
    status: status ?? "draft",
    createdAt: new Date(created * 1_000),
    finalizesAt: finalizesAt(invoice),
    finalizedAt: fromUnix(transitions?.finalized_at),
    paidAt: fromUnix(transitions?.paid_at),
    periodStart: new Date(invoice.period_start * 1_000),
    periodEnd: new Date(invoice.period_end * 1_000),
  };
}

/**
 * A draft that advances by itself and has no time yet is finalized an hour after it was made, which is Stripe's
 * default.
 */
function finalizesAt({ status, auto_advance: advances, ...invoice }: Stripe.Invoice): Date | null {
  if (status !== "draft" || advances === false) return null;
  return fromUnix(invoice.automatically_finalizes_at ?? invoice.created + graceSeconds);
}

function meteredLine(
  line: Stripe.InvoiceLineItem,
  of: Pick<MeteredLine, "meterId" | "priceId">,
): MeteredLine {
  return {
    ...of,
    // `quantity` is cut to whole numbers, and is all that older answers have.
    quantity: String(line.quantity_decimal ?? line.quantity ?? 0),
    periodStart: new Date(line.period.start * 1_000),
    periodEnd: new Date(line.period.end * 1_000),
  };
}

function unixSeconds(at: Date): number {
  return Math.floor(at.getTime() / 1_000);
}

function fromUnix(seconds: number | null | undefined): Date | null {
  return typeof seconds === "number" ? new Date(seconds * 1_000) : null;
}
