import { sql } from "kysely";

/** Of the meter event `m`: no request of it is under way, or the lease of the worker that made one is over. */
export const hasNoAttemptUnderWay = ({ leaseSeconds }: { leaseSeconds: number }) => sql<boolean>`(
  m.attempts_started = m.attempts_finished
  or m.last_attempt_at < now() - make_interval(secs => ${leaseSeconds})
)`;
