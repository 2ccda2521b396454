import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { liveSeconds } from "./seen-processes.ts";

export type CloseGate = "off" | "watch" | "hold";

/** What the close gate of the workers that run may do, by their heartbeats; several where they were started differently. */
export async function readCloseGates(db: Db): Promise<CloseGate[]> {
  const read = await sql<{ gate: CloseGate }>`
    select distinct close_gate as gate
    from metering.processes
    where kind = 'worker' and close_gate is not null and stopped_at is null
      and seen_at > now() - make_interval(secs => ${liveSeconds})
    order by 1
  `.execute(db);
  return read.rows.map(({ gate }) => gate);
}
