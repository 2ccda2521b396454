import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { StripeReads } from "../stripe/reads.ts";
import type { MeterEventNames } from "../usage/meters.ts";
import {
  type BilledTime,
  billedTimes,
  chooseMeters,
  type ChosenSubscription,
  chooseSubscription,
  otherBounds,
} from "./choose-subscription.ts";

/** The result of one read of all of a customer's subscriptions. */
export type CustomerRead = {
  customerId: string;
  /** The subscription to follow; undefined: none of them bills our meters. */
  chosen: ChosenSubscription | undefined;
  billed: BilledTime[];
  /** Where periods of others than the chosen one begin and end, and where subscriptions ended. */
  otherBounds: Date[];
  subscriptionIds: string[];
  /** The database's time to the microsecond, which a Date would cut. */
  readBeganAt: string;
};

export type CustomerReadDeps = { db: Db; reads: StripeReads; eventNames: MeterEventNames };

/** Reads a customer's subscriptions at Stripe and chooses the one that bills our meters. Undefined: no such customer. */
export async function readCustomer(
  { db, reads, eventNames }: CustomerReadDeps,
  customerId: string,
): Promise<CustomerRead | undefined> {
  const readBeganAt = await readDatabaseClock(db);
  const subscriptions = await reads.readSubscriptions(customerId);
  if (subscriptions === undefined) return undefined;
  const seen = subscriptions.flatMap(({ items }) => items.flatMap(({ meterId }) => meterId ?? []));
  // Without a metered item there is no choice to make, and no reason to ask for meters.
  const meters = seen.length === 0 ? new Map() : await reads.meters.knowing(seen);
  const ours = chooseMeters(meters, Object.values(eventNames));
  const chosen = chooseSubscription(subscriptions, ours);
  return {
    customerId,
    chosen,
    billed: billedTimes(subscriptions, ours),
    otherBounds: otherBounds(subscriptions, ours, chosen),
    subscriptionIds: subscriptions.map(({ id }) => id),
    readBeganAt,
  };
}

/** The database's clock: the only one that puts the reads of several workers into an order. */
export async function readDatabaseClock(db: Db): Promise<string> {
  const clock = await sql<{ now: string }>`select clock_timestamp()::text as now`.execute(db);
  const [row] = clock.rows;
  if (row === undefined) throw new Error("the database has no clock");
  return row.now;
}
