import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { account, type Scope } from "./pauses.ts";

/** The account, or a meter: whether it is paused, and how much of it waits. */
export type ScopeReport = {
  scope: Scope;
  reason: string | null;
  pausedAt: Date | null;
  /** When a worker may probe; null while it is not paused, or only an operator ends the pause. */
  until: Date | null;
  /** How often in a row the circuit breaker paused it. */
  openings: number;
  pending: number;
  inFlight: number;
};

/** All scopes that can be paused, the account first. Reads pending events through their own index. */
export async function reportScopes(db: Db): Promise<ScopeReport[]> {
  const scopes = await sql<ScopeReport>`
    with waiting as (
      select meter, count(*) as pending, count(*) filter (where attempts_started > attempts_finished) as in_flight
      from metering.meter_events
      where state = 'pending'
      group by meter
    )
    select
      c.scope, c.reason, c.paused_at as "pausedAt", nullif(c.paused_until, 'infinity') as until, c.openings,
      coalesce(sum(w.pending), 0)::float8 as pending, coalesce(sum(w.in_flight), 0)::float8 as "inFlight"
    from metering.delivery_control c
    left join waiting w on c.scope in (${account}, w.meter)
    group by c.scope
    order by c.scope <> ${account}, c.scope
  `.execute(db);
  return scopes.rows;
}
