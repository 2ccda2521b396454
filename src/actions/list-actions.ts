import { sql } from "kysely";
import type { Db } from "../database/db.ts";

export type RecordedAction = {
  id: string;
  actedAt: Date;
  via: string;
  operator: string;
  action: string;
  organizationId: string | null;
  subject: string | null;
  reason: string | null;
  affected: number | null;
};

export type ActionFilter = {
  organizationId?: string | undefined;
  /** The id of the page before's last action. */
  before: string | undefined;
  limit: number;
};

/** The actions of operators, the latest first. */
export async function listActions(
  db: Db,
  { organizationId, before, limit }: ActionFilter,
): Promise<RecordedAction[]> {
  const actions = await sql<RecordedAction>`
    select
      id, acted_at as "actedAt", via, operator, action, organization_id as "organizationId", subject, reason,
      affected::float8 as affected
    from metering.operator_actions
    where true
      ${organizationId === undefined ? sql`` : sql`and organization_id = ${organizationId}`}
      ${before === undefined ? sql`` : sql`and id < ${before}::uuid`}
    order by id desc
    limit ${limit}
  `.execute(db);
  return actions.rows;
}
