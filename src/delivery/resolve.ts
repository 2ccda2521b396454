import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import { inTransaction } from "../database/in-transaction.ts";
import { chooseMeterEvents, type MeterEventMatch } from "./match-meter-events.ts";
import { type Reminder, remindToDeliver } from "../queue/deliver-job.ts";

export const resolutions = ["delivered", "not_delivered"] as const;
export type Resolution = { resolution: (typeof resolutions)[number]; reason: string };

/** The event's new state; `replacedBy` is the event that sends its usage again, under an identifier of its own. */
export type Resolved =
  | { state: "delivered" | "expired"; replacedBy: null }
  | { state: "superseded"; replacedBy: string };

/** Events resolved by one call; a call that resolves this many is worth repeating. */
export const resolvedMax = 1_000;

/** How many are in doubt no more, and how many new events send usage again. */
export type ResolvedMany = { resolved: number; replaced: number };

type ResolvedRow = Omit<Reminder, "meterEventId" | "ahead"> & Resolved;

/**
 * Records what an operator found out about an event in doubt. Delivered: it is. Not delivered: a new meter event sends
 * the same usage, since Stripe may have forgotten the identifier, and the old one keeps its history; or, when Stripe
 * would refuse its age, it is expired. Returns undefined when the event is not in doubt.
 *
 * The rules are in the SQL function, because the API's database role may call it and may not write meter events.
 */
export async function resolveMeterEvent(
  { db, boss }: { db: Db; boss: PgBoss },
  id: string,
  { resolution, reason }: Resolution,
): Promise<Resolved | undefined> {
  return inTransaction(db, async (trx) => {
    const { rows } = await sql<ResolvedRow>`
      select
        organization_id as "organizationId", meter, stripe_customer_id as "stripeCustomerId", state,
        replaced_by as "replacedBy"
      from metering.resolve_in_doubt(${id}::uuid, ${resolution}, ${reason})
    `.execute(trx);
    const [resolved] = rows;
    if (resolved === undefined) return undefined;
    const { state, replacedBy, ...event } = resolved;
    if (state !== "superseded") return { state, replacedBy };
    await remindToDeliver(boss, [{ ...event, meterEventId: replacedBy, ahead: 0 }], trx);
    return { state, replacedBy };
  });
}

/** The same for all events in doubt that match, the oldest first, `resolvedMax` at most, with one reason. */
export async function resolveMeterEvents(
  { db, boss }: { db: Db; boss: PgBoss },
  match: Omit<MeterEventMatch, "state">,
  { resolution, reason }: Resolution,
): Promise<ResolvedMany> {
  return inTransaction(db, async (trx) => {
    const ids = await chooseMeterEvents(trx, { ...match, state: "in_doubt" }, resolvedMax);
    const { rows } = await sql<Omit<Reminder, "meterEventId"> & { replacedBy: string | null }>`
      select
        r.organization_id as "organizationId", r.meter, r.stripe_customer_id as "stripeCustomerId",
        r.replaced_by as "replacedBy",
        (row_number() over (partition by r.organization_id, r.meter order by r.replaced_by) - 1)::int as ahead
      from unnest(${ids}::uuid[]) chosen (id)
      cross join lateral metering.resolve_in_doubt(chosen.id, ${resolution}, ${reason}) r
    `.execute(trx);
    const reminders = rows.flatMap(({ replacedBy, ...event }) =>
      replacedBy === null ? [] : [{ ...event, meterEventId: replacedBy }],
    );
    await remindToDeliver(boss, reminders, trx);
    return { resolved: rows.length, replaced: reminders.length };
  });
}
