import { z } from "@hono/zod-openapi";
import type { Db } from "../../database/db.ts";
import { forEachState } from "../../delivery/meter-event-states.ts";
import { reportMeterEvents } from "../../delivery/meter-events.ts";
import { readPauses } from "../../delivery/pauses.ts";
import { readSending } from "../../monitoring/shadow-mode.ts";
import { reportUnsealed, type UnsealedReport } from "../../outbox/report.ts";

const instant = z.iso.datetime();
const counted = z.strictObject({ count: z.int(), quantity: z.int() });

/** The outbox as the API shows it. */
export const outboxSchema = z.strictObject({
  unsealed: z.strictObject({
    entries: z.int(),
    quantity: z.int(),
    oldest_at: instant.nullable(),
    held: z.strictObject({ entries: z.int(), quantity: z.int() }),
  }),
  meter_events: z.strictObject(forEachState(() => counted)),
  oldest_undelivered_at: instant.nullable(),
  /** Whether the workers send nothing on purpose. */
  shadow: z.boolean(),
  paused: z.array(
    z.strictObject({ scope: z.string(), reason: z.string(), since: instant, until: instant.nullable() }),
  ),
});

export type Outbox = z.infer<typeof outboxSchema>;

/** Reads the outbox, as the API and the command line show it. */
export async function readOutbox(db: Db): Promise<Outbox> {
  return readOutboxAround(db, await reportUnsealed(db));
}

/** The same around a report that was read already. */
export async function readOutboxAround(db: Db, unsealed: UnsealedReport): Promise<Outbox> {
  const { states, oldestUndeliveredAt } = await reportMeterEvents(db);
  const { isShadow } = await readSending(db);
  const pauses = await readPauses(db);
  return {
    unsealed: {
      entries: unsealed.entries,
      quantity: unsealed.quantity,
      oldest_at: unsealed.oldestAt?.toISOString() ?? null,
      held: unsealed.held,
    },
    meter_events: states,
    oldest_undelivered_at: oldestUndeliveredAt?.toISOString() ?? null,
    shadow: isShadow,
    paused: pauses.map(({ scope, reason, pausedAt, until }) => ({
      scope,
      reason,
      since: pausedAt.toISOString(),
      until: until?.toISOString() ?? null,
    })),
  };
}
