import type { Db } from "../../database/db.ts";
import { readSeenProcesses } from "../seen-processes.ts";
import type { Sample } from "./database-gauges.ts";

/** For how long no process of a kind has written its heartbeat; missing for a kind that never ran. */
export async function readHeartbeatGauges(db: Db): Promise<Sample[]> {
  return (await readSeenProcesses(db)).flatMap(({ kind, lastSeenSeconds }): Sample[] =>
    lastSeenSeconds === null
      ? []
      : [{ name: "meter_outbox_heartbeat_age_seconds", labels: { kind }, value: lastSeenSeconds }],
  );
}
