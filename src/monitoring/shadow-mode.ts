import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { Transport } from "../usage/transports.ts";
import { liveSeconds } from "./seen-processes.ts";

/** Whether nothing is sent on purpose, and how the workers send that run; where none runs, the one seen last. */
export type Sending = { isShadow: boolean; transports: Transport[] };

/** How usage is sent, by the heartbeats of the workers. Of a version that did not say it, nothing is known. */
export async function readSending(db: Db): Promise<Sending> {
  const read = await sql<{ transport: Transport }>`
    with workers as materialized (
      select transport, seen_at, stopped_at is null and seen_at > now() - make_interval(secs => ${liveSeconds}) as is_live
      from metering.processes
      where kind = 'worker' and transport is not null
    )
    select transport from workers where is_live
    union
    (
      select transport from workers
      where not exists (select from workers where is_live)
      order by seen_at desc
      limit 1
    )
    order by transport
  `.execute(db);
  const transports = read.rows.map(({ transport }) => transport);
  return { isShadow: transports.length > 0 && transports.every((one) => one === "none"), transports };
}
