import type { Db } from "../database/db.ts";
import { reportOldEvents } from "../delivery/meter-events.ts";
import type { Log } from "../log.ts";
import { reportOldEntries } from "../outbox/near-expiry.ts";

/** Usage of this age is warned of; at 34 days it expires, since Stripe refuses usage older than 35. */
const warnAtDays = 30;

/** Logs a warning while undelivered usage is about to become too old for Stripe. */
export async function warnOfExpiry({ db, log }: { db: Db; log: Log }): Promise<void> {
  const entries = await reportOldEntries(db, { ageDays: warnAtDays });
  const events = await reportOldEvents(db, { ageDays: warnAtDays });
  if (entries.entries + events.events === 0) return;
  log.warn({
    event: "usage_near_expiry",
    entries: entries.entries,
    oldest_entry_at: entries.oldestAt?.toISOString() ?? null,
    meter_events: events.events,
    oldest_event_at: events.oldestAt?.toISOString() ?? null,
  });
}
