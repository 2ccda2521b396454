import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { DeliveredEvent } from "./confirmation.ts";
import type { Look } from "./looks.ts";
import { newestLook } from "./newest-look.ts";

/** The newest look at Stripe's sum of a window that an event's time lies in, whatever it says. */
export type WindowSum = Pick<Look, "start" | "end" | "ours" | "doubtful" | "theirs" | "result" | "readAt"> & {
  /** Why it is not compared yet, or differs, in one word. */
  reason: string | null;
};

/** Reads it; undefined when no window that holds the event was looked at. */
export async function findWindowSum(
  db: Db,
  { organizationId, meter, stripeCustomerId, eventAt }: Omit<DeliveredEvent, "state" | "deliveredAt">,
): Promise<WindowSum | undefined> {
  const found = await sql<WindowSum>`
    select
      r.window_start as start, r.window_end as "end", r.ours::text as ours, r.doubtful::text as doubtful,
      r.theirs::text as theirs, r.result, r.reason, r.read_at as "readAt"
    from metering.reconciliations r
    ${newestLook({
      organizationId: sql`${organizationId}`,
      meter: sql`${meter}`,
      customer: sql`${stripeCustomerId}`,
      at: sql`${eventAt}::timestamptz`,
    })}
  `.execute(db);
  return found.rows[0];
}
