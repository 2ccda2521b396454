import { sql } from "kysely";
import { namesOrganizations } from "../database/by-shard.ts";
import { byIndex } from "../database/one-plan.ts";
import type { Db } from "../database/db.ts";
import type { MeterName } from "../usage/meters.ts";
import { billedUntil } from "./held.ts";

/**
 * An organization that waits for its turn, and where its unsealed entries begin: a time as Postgres's text. `ahead`: its
 * pending events of the meter, as its turn before this one left them; left out before its first one.
 */
export type DueOrganization = { organizationId: string; from: string; ahead?: number };

export type DueFilter = { meter: MeterName; cutOff: Date; only: string | undefined };

/** So many of the newest meter events are searched for the last one that this meter's seal made. */
const eventsLookedThrough = 1_000;

/**
 * The organizations with entries of this meter to seal, in the order of their turns. The round goes on after the
 * organization that was sealed last, so that each waits one round at most, however little can be sealed at a time.
 */
export function listDueOrganizations(db: Db, filter: DueFilter): Promise<DueOrganization[]> {
  return byIndex(db, async (trx) => {
    const due = await findDue(trx, filter);
    return due.length < 2 ? due : rotate(due, await findSealedLast(trx, filter.meter));
  });
}

/** Those of some organizations of one shard, in no round: as on a cluster, where each shard is asked alone. */
export function listDueOnShard(
  db: Db,
  filter: DueFilter,
  organizationIds: readonly string[],
): Promise<DueOrganization[]> {
  const organizations = organizationIds.map((organizationId) => ({ organizationId }));
  return findDue(db, filter, namesOrganizations({ organizations, isOneShard: true }));
}

async function findDue(
  db: Db,
  filter: DueFilter,
  inShard = namesOrganizations({ organizations: [] }),
): Promise<DueOrganization[]> {
  const due = await sql<DueOrganization>`
    select b.organization_id as "organizationId", oldest.occurred_at::text as from
    from ${billedUntil} b
    cross join lateral (
      select e.occurred_at
      from metering.meter_outbox e
      where e.meter_event_id is null and e.meter = ${filter.meter} and e.organization_id = b.organization_id ${inShard("e")}
        -- A row that was written past our functions, with no real time, stays where it is.
        and e.occurred_at > '-infinity' and e.occurred_at <= ${filter.cutOff} and e.occurred_at < b.billed_until
      order by e.occurred_at
      limit 1
    ) oldest
    where coalesce(b.organization_id = ${filter.only ?? null}::uuid, true) ${inShard("b")}
    order by b.organization_id
  `.execute(db);
  return due.rows;
}

export async function findSealedLast(db: Db, meter: MeterName): Promise<string | undefined> {
  const last = await sql<{ organizationId: string }>`
    select newest.organization_id as "organizationId"
    from (
      select organization_id, meter, id, replaces_id
      from metering.meter_events
      order by id desc
      limit ${eventsLookedThrough}
    ) newest
    where newest.meter = ${meter} and newest.replaces_id is null
    order by newest.id desc
    limit 1
  `.execute(db);
  return last.rows[0]?.organizationId;
}

export function rotate(due: readonly DueOrganization[], last: string | undefined): DueOrganization[] {
  const first = last === undefined ? -1 : due.findIndex(({ organizationId }) => organizationId > last);
  return first === -1 ? [...due] : [...due.slice(first), ...due.slice(0, first)];
}
