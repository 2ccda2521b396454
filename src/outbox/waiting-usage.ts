import { sql } from "kysely";
import type { Db } from "../database/db.ts";

/** An organization's usage that is neither delivered nor given up. */
export type WaitingUsage = { isUnsealed: boolean; isPending: boolean; isInDoubt: boolean };

/** Whether usage of an organization waits, and in which state. Each part reads one entry of its index. */
export async function readWaitingUsage(db: Db, organizationId: string): Promise<WaitingUsage> {
  const waiting = await sql<WaitingUsage>`
    select
      exists (
        select from metering.meter_outbox where organization_id = ${organizationId} and meter_event_id is null
      ) as "isUnsealed",
      exists (
        select from metering.meter_events where organization_id = ${organizationId} and state = 'pending'
      ) as "isPending",
      exists (
        select from metering.meter_events where organization_id = ${organizationId} and state = 'in_doubt'
      ) as "isInDoubt"
  `.execute(db);
  const [row] = waiting.rows;
  if (row === undefined) throw new Error("a question for what exists has no answer");
  return row;
}
