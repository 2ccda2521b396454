import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { exactInstant } from "../database/exact-instant.ts";
import type { InboxState } from "./inbox.ts";

/** Times are RFC 3339 in UTC to the microsecond: they order the list, and a Date would cut them. */
export type StoredEvent = {
  id: string;
  type: string;
  state: InboxState;
  attempts: number;
  receivedAt: string;
  handledAt: string | null;
  error: string | null;
  dismissedAt: string | null;
  dismissedBecause: string | null;
  payload: unknown;
};

const columns = sql`
  event_id as id, event_type as type, state, attempts, ${exactInstant("received_at")} as "receivedAt",
  ${exactInstant("handled_at")} as "handledAt", error,
  ${exactInstant("dismissed_at")} as "dismissedAt", dismissed_because as "dismissedBecause", payload
`;

/** The webhook inbox, the newest first. `before`: time and id of the last event of the page before. */
export async function listStripeEvents(
  db: Db,
  filter: { state: InboxState | undefined; before: [string, string] | undefined; limit: number },
): Promise<StoredEvent[]> {
  const { state, before, limit } = filter;
  const events = await sql<StoredEvent>`
    select ${columns}
    from metering.stripe_events
    where true
      ${state === undefined ? sql`` : sql`and state = ${state}`}
      ${before === undefined ? sql`` : sql`and (received_at, event_id) < (${before[0]}::timestamptz, ${before[1]})`}
    order by received_at desc, event_id desc
    limit ${limit}
  `.execute(db);
  return events.rows;
}

/** An event of the inbox by Stripe's id. */
export async function findStripeEvent(db: Db, id: string): Promise<StoredEvent | undefined> {
  const found = await sql<StoredEvent>`
    select ${columns} from metering.stripe_events where event_id = ${id}
  `.execute(db);
  return found.rows[0];
}
