import { sql } from "kysely";
import type { InboxState } from "../../billing/inbox.ts";
import type { Db } from "../../database/db.ts";
import type { Sample } from "./database-gauges.ts";

type Backlog = { state: InboxState; count: number; ageSeconds: number };

const openStates = ["pending", "failed", "refused"] as const satisfies readonly InboxState[];

/** How many webhook events had no effect yet, and since when the oldest waits. Reads stripe_events_open alone. */
export async function readInboxGauges(db: Db): Promise<Sample[]> {
  const backlog = await sql<Backlog>`
    select state, count(*)::float8 as count, extract(epoch from now() - min(received_at))::float8 as "ageSeconds"
    from metering.stripe_events
    where state not in ('handled', 'dismissed')
    group by state
  `.execute(db);
  const of = (state: InboxState) => backlog.rows.find((row) => row.state === state);
  return [
    ...openStates.map((state): Sample => {
      return { name: "meter_outbox_webhook_events", labels: { state }, value: of(state)?.count ?? 0 };
    }),
    { name: "meter_outbox_webhook_oldest_pending_age_seconds", value: of("pending")?.ageSeconds ?? 0 },
  ];
}
