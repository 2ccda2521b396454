import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { liveSeconds } from "./seen-processes.ts";

/** A worker that runs, by its heartbeat. The rates are meter events a second; null: it sends nothing, or did not say it. */
export type SeenWorker = {
  id: string;
  startedAt: Date;
  seenAt: Date;
  transport: string | null;
  perSecond: number | null;
  perSecondMax: number | null;
};

const shownMax = 100;

/** The workers that run, the one that has run longest first. */
export async function listSeenWorkers(db: Db): Promise<SeenWorker[]> {
  const workers = await sql<SeenWorker>`
    select
      id, started_at as "startedAt", seen_at as "seenAt", transport, rate_per_second as "perSecond",
      rate_per_second_max as "perSecondMax"
    from metering.processes
    where kind = 'worker' and stopped_at is null and seen_at > now() - make_interval(secs => ${liveSeconds})
    order by started_at, id
    limit ${shownMax}
  `.execute(db);
  return workers.rows;
}
