import { sql } from "kysely";
import type { InShard } from "../database/by-shard.ts";

/** Of the meter event `m`: no request of it is under way, or the lease of the worker that made one is over. */
export const hasNoAttemptUnderWay = ({ leaseSeconds }: { leaseSeconds: number }) => sql<boolean>`(
  m.attempts_started = m.attempts_finished
  or m.last_attempt_at < now() - make_interval(secs => ${leaseSeconds})
)`;

/** How many of the oldest pending events of a customer are looked at: those that are under way are among them. */
const lookedAt = 8;

/**
 * Of the meter event `m`: no request of another of its customer's events is under way, by what the database knows. Two that
 * begin at the same moment do not see each other; Stripe then answers one with 409, and it is retried.
 *
 * The organization is compared as a range, so that only the index of pending events serves it, in its order: by the key's
 * index all events of the organization would be read.
 */
export const isCustomersTurn = (
  inShard: InShard,
  { leaseSeconds }: { leaseSeconds: number },
) => sql<boolean>`(
  not exists (
    select
    from (
      select u.meter, u.organization_id, u.id, u.attempts_started, u.attempts_finished, u.last_attempt_at
      from metering.meter_events u
      where u.state = 'pending' ${inShard("u")}
        and (u.meter, u.organization_id) >= (m.meter, m.organization_id)
        and (u.meter, u.organization_id) <= (m.meter, m.organization_id)
      order by u.meter, u.organization_id, u.id
      limit ${sql.lit(lookedAt)}
    ) u
    where u.id <> m.id
      and u.attempts_started > u.attempts_finished
      and u.last_attempt_at >= now() - make_interval(secs => ${leaseSeconds})
  )
)`;
