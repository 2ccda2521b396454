import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import type { MeterEventState } from "../../delivery/meter-event-states.ts";

/**
 * The moves that the service itself may make with a meter event: the state diagram, without an operator's resolutions.
 */
const roads: Record<MeterEventState, readonly MeterEventState[]> = {
  pending: ["delivered", "in_doubt", "rejected", "expired", "superseded"],
  in_doubt: ["delivered", "superseded", "rejected", "expired"],
  rejected: ["pending", "in_doubt", "superseded", "expired"],
  delivered: ["rejected", "superseded"],
  expired: [],
  superseded: [],
};

export type StateWatch = {
  /** Compares with the last look and throws when an event made a move that is not allowed. */
  look: () => Promise<void>;
};

/** Watches that meter events move along the state diagram only. */
export function createStateWatch(db: Db): StateWatch {
  const seen = new Map<string, MeterEventState>();
  return {
    look: async () => {
      const { rows } = await sql<{ id: string; state: MeterEventState }>`
        select id, state from metering.meter_events
      `.execute(db);
      for (const { id, state } of rows) {
        const before = seen.get(id) ?? "pending";
        if (before !== state && !roads[before].includes(state)) {
          throw new Error(`meter event ${id} went from ${before} to ${state}`);
        }
        seen.set(id, state);
      }
    },
  };
}
