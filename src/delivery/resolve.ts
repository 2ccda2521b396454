import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import { inTransaction } from "../database/in-transaction.ts";
import { type Reminder, remindToDeliver } from "../queue/deliver-job.ts";

export const resolutions = ["delivered", "not_delivered"] as const;
export type Resolution = { resolution: (typeof resolutions)[number]; reason: string };

/** The event's new state; `replacedBy` is the event that sends its usage again, under an identifier of its own. */
export type Resolved =
  | { state: "delivered" | "expired"; replacedBy: null }
  | { state: "superseded"; replacedBy: string };

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
