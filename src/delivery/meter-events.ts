import { sql } from "kysely";
import { byIndex } from "../database/one-plan.ts";
import type { Db } from "../database/db.ts";
import { eventsSaying, matching, type MeterEventMatch } from "./match-meter-events.ts";
import { forEachState, type MeterEventState, undeliveredStates } from "./meter-event-states.ts";
import { type Wait, waiting } from "./waiting.ts";

export type MeterEvent = {
  id: string;
  organizationId: string;
  meter: string;
  hour: Date;
  quantity: number;
  eventAt: Date;
  entryCount: number;
  stripeCustomerId: string;
  state: MeterEventState;
  reason: string | null;
  attemptsStarted: number;
  attemptsFinished: number;
  firstAttemptAt: Date | null;
  lastAttemptAt: Date | null;
  lastError: string | null;
  sealedAt: Date;
  deliveredAt: Date | null;
  /** The event in doubt whose usage, and entries, this one sends again. */
  replacesId: string | null;
  resolvedAt: Date | null;
  resolutionReason: string | null;
  waitsFor: Wait | null;
  /** When it is due; null where no time decides. */
  nextAttemptAt: Date | null;
};

const columns = sql`
  id, organization_id as "organizationId", meter, hour, quantity::float8 as quantity, event_at as "eventAt",
  entries as "entryCount", stripe_customer_id as "stripeCustomerId", state, reason,
  attempts_started as "attemptsStarted", attempts_finished as "attemptsFinished",
  first_attempt_at as "firstAttemptAt", last_attempt_at as "lastAttemptAt", last_error as "lastError",
  sealed_at as "sealedAt", delivered_at as "deliveredAt", replaces_id as "replacesId",
  resolved_at as "resolvedAt", resolution_reason as "resolutionReason",
  waiting."waitsFor", waiting."nextAttemptAt"
`;

export type MeterEventFilter = MeterEventMatch & {
  /** The id of the last event of the page before. */
  before: string | undefined;
  limit: number;
};

/** Meter events, the newest first. */
export async function listMeterEvents(db: Db, filter: MeterEventFilter): Promise<MeterEvent[]> {
  const { before, limit, words, ...match } = filter;
  const isOfPage = sql`${matching(match)} ${before === undefined ? sql`` : sql`and id < ${before}`}`;
  const list = (one: Db) =>
    sql<MeterEvent>`
    select ${columns}
    from (
      select * from ${words === undefined ? sql`metering.meter_events` : eventsSaying(words, isOfPage)} listed
      where ${isOfPage}
      order by id desc
      limit ${limit}
    ) meter_events
    cross join lateral ${waiting} waiting
    order by id desc
  `.execute(one);
  const events = await (words === undefined ? list(db) : byIndex(db, list));
  return events.rows;
}

export async function findMeterEvent(db: Db, id: string): Promise<MeterEvent | undefined> {
  const events = await sql<MeterEvent>`
    select ${columns}
    from (select * from metering.meter_events where id = ${id} limit 1) meter_events
    cross join lateral ${waiting} waiting
  `.execute(db);
  return events.rows[0];
}

export type DeliveryAttempt = {
  attempt: number;
  startedAt: Date;
  durationMs: number;
  verdict: string;
  httpStatus: number | null;
  code: string | null;
  message: string | null;
  stripeRequestId: string | null;
};

/** The ended attempts at a meter event, the first one first. */
export async function listAttempts(db: Db, event: MeterEvent): Promise<DeliveryAttempt[]> {
  const attempts = await sql<DeliveryAttempt>`
    select
      attempt, started_at as "startedAt", duration_ms as "durationMs", verdict, http_status as "httpStatus", code,
      message, stripe_request_id as "stripeRequestId"
    from metering.delivery_attempts
    where organization_id = ${event.organizationId} and meter_event_id = ${event.id}
    order by attempt
  `.execute(db);
  return attempts.rows;
}

export type DeliveryReport = {
  states: Record<MeterEventState, { count: number; quantity: number }>;
  oldestUndeliveredAt: Date | null;
};

/** Of one state, or of all meter events that are not in the total yet; decimal strings. */
type Counted = {
  state: MeterEventState | "after_total";
  count: string;
  quantity: string;
  oldestAt: Date | null;
};

/**
 * How many meter events are in each state, with their quantities, and the time of the oldest undelivered one. Its time
 * grows with the number of events in other states than `delivered`, and of events of the last hour: the number of
 * delivered events is the total without the others. Each part reads the index whose predicate it repeats.
 */
export async function reportMeterEvents(db: Db): Promise<DeliveryReport> {
  // The events in the total never change. Its end is a parameter; otherwise the planner expects a third of all events
  // after it.
  const total = await db
    .selectFrom("meter_event_total")
    .select(["through_id", "events", "quantity"])
    .executeTakeFirstOrThrow();
  const counted = await byIndex(db, (trx) =>
    sql<Counted>`
    select 'pending' as state, count(*)::text as count, coalesce(sum(quantity), 0)::text as quantity,
      min(event_at) as "oldestAt"
    from metering.meter_events
    where state = 'pending'
    union all
    select state, count(*)::text, sum(quantity)::text, min(event_at)
    from metering.meter_events
    where state in ('in_doubt', 'rejected', 'expired', 'superseded')
    group by state
    union all
    select 'after_total', count(*)::text, coalesce(sum(quantity), 0)::text, null
    from metering.meter_events
    where id > ${total.through_id}
  `.execute(trx),
  );
  const byState = new Map<string, Counted>(counted.rows.map((row) => [row.state, row]));
  const others = counted.rows.filter(({ state }) => state !== "after_total");
  const delivered = (of: "count" | "quantity", totalled: string) =>
    others.reduce(
      (left, row) => left - BigInt(row[of]),
      BigInt(totalled) + BigInt(byState.get("after_total")?.[of] ?? 0),
    );
  const countOf = (state: MeterEventState) => {
    if (state !== "delivered") {
      const { count = 0, quantity = 0 } = byState.get(state) ?? {};
      return { count: Number(count), quantity: Number(quantity) };
    }
    const count = Number(delivered("count", total.events));
    return { count, quantity: Number(delivered("quantity", total.quantity)) };
  };
  const oldest = undeliveredStates
    .map((state) => byState.get(state)?.oldestAt ?? null)
    .filter((at) => at !== null)
    .toSorted((a, b) => a.getTime() - b.getTime());
  return {
    states: forEachState(countOf),
    oldestUndeliveredAt: oldest[0] ?? null,
  };
}

/**
 * Adds meter events of more than an hour ago to the total that `reportMeterEvents` begins with, 100,000 at most. Returns
 * how many. Safe from several workers at once.
 */
export async function addUpMeterEvents(db: Db): Promise<number> {
  const added = await sql<{ events: number }>`select metering.add_up_meter_events() as events`.execute(db);
  return added.rows[0]?.events ?? 0;
}

/** Meter events of the `sendableStates` whose usage is at least `ageDays` old, and the time of the oldest. */
export async function reportOldEvents(
  db: Db,
  { ageDays }: { ageDays: number },
): Promise<{ events: number; oldestAt: Date | null }> {
  const old = await byIndex(db, (trx) =>
    sql<{ events: number; oldestAt: Date | null }>`
    select count(*)::float8 as events, min(event_at) as "oldestAt"
    from (
      -- Each with the predicate of its partial index in so many words.
      select event_at from metering.meter_events where state = 'pending'
      union all
      select event_at from metering.meter_events where state in ('in_doubt', 'rejected')
    ) sendable
    where event_at < now() - make_interval(days => ${ageDays})
  `.execute(trx),
  );
  return old.rows[0] ?? { events: 0, oldestAt: null };
}
