import { sql } from "kysely";
import { namesOrganizations, type ShardInput } from "../database/by-shard.ts";
import type { Db } from "../database/db.ts";
import { onEachShard } from "../database/each-shard.ts";
import { isOfKey, onKeys } from "../database/one-plan.ts";
import type { Reminder } from "../queue/deliver-job.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { meters } from "../usage/meters.ts";
import type { BeginOptions } from "./begin-attempts.ts";
import type { Due } from "./begin-due.ts";
import { withPendingKeys } from "./pending-keys.ts";
import { supersedeGaugesAmong } from "./supersede-gauges.ts";
import type { TakeDeps } from "./take-deps.ts";

/** A pending event that was not begun. */
export type PendingDue = Reminder & {
  /** How long it has to wait for Stripe's clock. */
  aheadSeconds: number;
};

type Clock = Pick<BeginOptions, "sendableUntil">;

/**
 * Reads which of these events are pending, by id. Marks the events that are ahead of Stripe's clock, and supersedes gauge values
 * that newer ones have overtaken, which is sooner than the sweep: their jobs then end.
 * `unread`: their shard of a cluster cannot be read.
 */
export async function readPending<T extends Due>(
  { db, shards }: Pick<TakeDeps, "db" | "shards">,
  { due, sendableUntil }: Clock & { due: readonly T[] },
): Promise<{ pending: Map<string, PendingDue>; unread: T[] }> {
  const { done, failed } = await onEachShard(shards, due, {
    keyOf: ({ key }) => key,
    work: (group, isOneShard) => {
      const organizations = group.map(({ key }) => key);
      return onKeys(db, (one) => readAndMark(one, { organizations, isOneShard }, sendableUntil));
    },
  });
  return { pending: new Map(done.flat().map((one) => [one.meterEventId, one])), unread: failed };
}

async function readAndMark(
  db: Db,
  shard: ShardInput & { organizations: readonly MeterEventKey[] },
  sendableUntil: Date | undefined,
): Promise<PendingDue[]> {
  const inShard = namesOrganizations(shard);
  const read = await sql<Omit<PendingDue, "aheadSeconds" | "ahead"> & { eventAt: Date }>`
    ${withPendingKeys(shard.organizations)}
    select
      m.organization_id as "organizationId", m.id as "meterEventId", m.meter,
      m.stripe_customer_id as "stripeCustomerId", m.event_at as "eventAt"
    from k
    join metering.meter_events m on ${isOfKey("m", "k")} and m.state = k.state
    where true ${inShard("m")}
  `.execute(db);
  const gauges = read.rows.filter(({ meter }) => meters[meter].aggregation === "last");
  const superseded = gauges.length > 0 ? await supersedeGaugesAmong(db, gauges, shard) : new Set<string>();
  const rows = read.rows.filter(({ meterEventId }) => !superseded.has(meterEventId));
  const early = rows.filter(({ eventAt }) => sendableUntil !== undefined && eventAt > sendableUntil);
  if (early.length > 0) {
    await sql`
      ${withPendingKeys(early)}
      update metering.meter_events m
      set reason = 'too_early'
      from k
      where ${isOfKey("m", "k")} and m.state = k.state
        and m.reason is distinct from 'too_early' ${inShard("m")}
    `.execute(db);
  }
  return rows.map(({ eventAt, ...one }) => ({
    ...one,
    ahead: 0,
    aheadSeconds: secondsAhead(eventAt, sendableUntil),
  }));
}

function secondsAhead(eventAt: Date, sendableUntil: Date | undefined): number {
  if (sendableUntil === undefined) return 0;
  return Math.max(0, Math.ceil((eventAt.getTime() - sendableUntil.getTime()) / 1_000));
}
