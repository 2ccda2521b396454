import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import type { Sample } from "./database-gauges.ts";

type Control = { scope: string; by: "breaker" | "operator" | null; seconds: number };

const pausers = ["breaker", "operator"] as const;

/** The paused scopes, by breaker or operator, and for how long. A pause without an end is an operator's. */
export async function readPauseGauges(db: Db): Promise<Sample[]> {
  const controls = await sql<Control>`
    select
      scope,
      case when paused_until = 'infinity' then 'operator' when paused_until is not null then 'breaker' end as by,
      coalesce(extract(epoch from now() - paused_at), 0)::float8 as seconds
    from metering.delivery_control
  `.execute(db);
  return controls.rows.flatMap((control) =>
    pausers.flatMap((by): Sample[] => {
      const labels = { scope: control.scope, by };
      const isPaused = control.by === by;
      return [
        { name: "meter_outbox_delivery_paused", labels, value: isPaused ? 1 : 0 },
        { name: "meter_outbox_delivery_paused_seconds", labels, value: isPaused ? control.seconds : 0 },
      ];
    }),
  );
}
