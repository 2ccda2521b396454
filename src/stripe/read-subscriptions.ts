import { idOf } from "./id-of.ts";
import type Stripe from "stripe";
import { isUnknownCustomer } from "./answer.ts";
import { eachOf } from "./each-of.ts";
import { ForeignAnswer } from "./foreign-answer.ts";

/** An item, and the meter that its price bills; null: none. */
type ItemRead = { meterId: string | null; periodStart: Date; periodEnd: Date };

/** A subscription as Stripe has it at the moment of the read. */
export type SubscriptionRead = {
  id: string;
  /** Stripe's own word; Stripe may add others. */
  status: string;
  createdAt: Date;
  /** From when it bills: its creation, or earlier where it was made with `backdate_start_date`. */
  startedAt: Date;
  endedAt: Date | null;
  /** Its invoices are not collected now: they become void, uncollectible, or stay drafts (docs.stripe.com/billing/subscriptions/pause-payment). */
  isCollectionPaused: boolean;
  /** The time of its last trial. */
  trial: { start: Date; end: Date } | null;
  items: ItemRead[];
};

/**
 * A small page: with all their items and metadata, a customer's ended subscriptions of years among them, it must stay below
 * the longest answer that is read.
 */
const pageSize = 10;
const itemsPageSize = 20;

/**
 * All subscriptions of a customer, ended ones too, the newest first as Stripe lists them; undefined for a customer that
 * Stripe does not know. Throws the SDK's error for everything else.
 */
export async function readSubscriptions(
  stripe: Stripe,
  customer: string,
): Promise<SubscriptionRead[] | undefined> {
  const found: SubscriptionRead[] = [];
  try {
    for await (const subscription of eachOf(
      stripe.subscriptions.list({ customer, status: "all", limit: pageSize }),
    )) {
      // Usage would be billed by another customer's periods, after a mix-up on the way.
      if (idOf(subscription.customer) !== customer) {
        throw new ForeignAnswer(200, "its subscriptions are another customer's");
      }
      found.push(await subscriptionRead(stripe, subscription));
    }
  } catch (error) {
    // Another parameter, such as where a page begins, may name an object that is gone, too.
    if (isUnknownCustomer(error)) return undefined;
    throw error;
  }
  return found;
}

async function subscriptionRead(
  stripe: Stripe,
  subscription: Stripe.Subscription,
): Promise<SubscriptionRead> {
  const { id, status, created, start_date: started, ended_at: ended } = subscription;
  const { trial_start: trialStart, trial_end: trialEnd } = subscription;
  const items = (await allItems(stripe, subscription)).map((item) => ({
    meterId: item.price?.recurring?.meter ?? null,
    // Periods live on the items (since 2025-03-31.basil).
    periodStart: fromUnix(item.current_period_start),
    periodEnd: fromUnix(item.current_period_end),
  }));
  return {
    id,
    status,
    createdAt: fromUnix(created),
    startedAt: fromUnix(started ?? created),
    endedAt: typeof ended === "number" ? fromUnix(ended) : null,
    isCollectionPaused: (subscription.pause_collection ?? null) !== null,
    trial:
      typeof trialStart === "number" && typeof trialEnd === "number"
        ? { start: fromUnix(trialStart), end: fromUnix(trialEnd) }
        : null,
    items,
  };
}

/** Stripe cuts a list inside an object to its first page. */
async function allItems(
  stripe: Stripe,
  { id, items }: Stripe.Subscription,
): Promise<Stripe.SubscriptionItem[]> {
  if (!items.has_more) return items.data;
  const all: Stripe.SubscriptionItem[] = [];
  for await (const item of eachOf(
    stripe.subscriptionItems.list({ subscription: id, limit: itemsPageSize }),
  )) {
    if (typeof item.subscription === "string" && item.subscription !== id) {
      throw new ForeignAnswer(200, "its items are another subscription's");
    }
    all.push(item);
  }
  return all;
}

function fromUnix(seconds: number): Date {
  return new Date(seconds * 1_000);
}
