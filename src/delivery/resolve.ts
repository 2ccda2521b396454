import { type Kysely, sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { DB } from "../database/schema.ts";
import { eventAgeMsMax } from "./limits.ts";
import { replaceEvents } from "./replace-events.ts";

export type Resolution = { resolution: "delivered" | "not_delivered"; reason: string };

/** What became of the event; `replacedBy` is the event that sends its usage again, under an identifier of its own. */
export type Resolved =
  | { state: "delivered" | "expired"; replacedBy: null }
  | { state: "superseded"; replacedBy: string };

/**
 * Records what an operator found out about an event in doubt. Delivered: it is. Not delivered: a new meter event sends
 * the same usage, since Stripe may have forgotten the identifier, and the old one keeps its history; or, when Stripe
 * would refuse its age, it is expired. Returns undefined when the event is not in doubt.
 */
export async function resolveMeterEvent(
  { db, boss }: { db: Kysely<DB>; boss: PgBoss },
  id: string,
  { resolution, reason }: Resolution,
): Promise<Resolved | undefined> {
  return db.transaction().execute(async (trx) => {
    const resolved = await sql<{ state: Resolved["state"] }>`
      update metering.meter_events
      set
        state = case
          when ${resolution} = 'delivered' then 'delivered'
          when event_at <= now() - make_interval(secs => ${eventAgeMsMax / 1_000}) then 'expired'
          else 'superseded'
        end,
        reason = ${`resolved_${resolution}`},
        resolved_at = now(),
        resolution_reason = ${reason},
        delivered_at = case when ${resolution} = 'delivered' then now() end
      where id = ${id} and state = 'in_doubt'
      returning state
    `.execute(trx);
    const state = resolved.rows[0]?.state;
    if (state === undefined) return undefined;
    if (state !== "superseded") return { state, replacedBy: null };
    const [replacedBy] = await replaceEvents({ trx, boss }, [id]);
    if (replacedBy === undefined) throw new Error(`meter event ${id} was not replaced`);
    return { state, replacedBy };
  });
}
