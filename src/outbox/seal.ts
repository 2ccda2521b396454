import { type Kysely, sql, type Transaction } from "kysely";
import type { PgBoss } from "pg-boss";
import type { DB } from "../database/schema.ts";
import { aheadOfAll, type Reminder, remindToDeliver } from "../queue/deliver-job.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import { type MeterName, metersFoldedBy } from "../usage/meters.ts";
import { holdSeal } from "./hold-seal.ts";
import { entryTracesMax, traceSeal } from "./seal-spans.ts";

/** `traceparents`: of the first entries that were stored under a trace. */
export type SealedEvent = Reminder & { entries: number; quantity: string; traceparents: string[] | null };
type Seal = SealLimits & {
  meters: readonly MeterName[];
  first: string | undefined;
  cutOff: Date;
  tracer: Tracer;
};

export type SealResult = { events: number; entries: number; stopped: "done" | "too_many_undelivered" };

export type SealLimits = {
  /** Sealing stops while this many meter events are undelivered; entries then wait and fold by the hour. */
  undeliveredMax: number;
  /**
   * Upper bounds of one transaction. An organization's hour is never cut, so entries can exceed theirs by one hour's,
   * and events by those that a second meter or the end of a period makes in the same hours.
   */
  eventsPerTransaction: number;
  entriesPerTransaction: number;
};

const sealLimits: SealLimits = {
  undeliveredMax: 10_000,
  eventsPerTransaction: 2_000,
  entriesPerTransaction: 50_000,
};

export type SealOptions = Partial<SealLimits> & {
  meters: readonly MeterName[];
  /** Seals this organization alone, and its events go ahead of all others. */
  first?: string;
};

/**
 * Folds all unsealed entries of these meters that a Stripe customer pays for into meter events, oldest hour first, each transaction with one pg-boss job for every event it made. Safe to run at any time and from several
 * processes.
 */
export async function sealDueEntries(
  { db, boss, tracer = untraced }: { db: Kysely<DB>; boss: PgBoss; tracer?: Tracer | undefined },
  options: SealOptions,
): Promise<SealResult> {
  // What arrives meanwhile is left to the next seal: chasing it would make an event of every request.
  const cutOff = await readDatabaseClock(db);
  const limits = { ...sealLimits, first: undefined, ...options, cutOff, tracer };
  const total = { events: 0, entries: 0 };
  for (;;) {
    const sealed = await db.transaction().execute((trx) => sealOnce({ trx, boss }, limits));
    if (sealed === "too_many_undelivered") return { ...total, stopped: sealed };
    total.events += sealed.length;
    total.entries += sealed.reduce((sum, event) => sum + event.entries, 0);
    if (sealed.length === 0) return { ...total, stopped: "done" };
  }
}

async function sealOnce(
  { trx, boss }: { trx: Transaction<DB>; boss: PgBoss },
  limits: Seal,
): Promise<SealedEvent[] | "too_many_undelivered"> {
  const startedAtMs = Date.now();
  // One seal at a time: an entry is stamped by whoever holds this.
  await holdSeal(trx);
  const undelivered = await countUndelivered(trx, limits.undeliveredMax);
  const room = limits.undeliveredMax - undelivered;
  if (room <= 0) return "too_many_undelivered";
  const events = await foldAndStamp(trx, {
    ...limits,
    eventsPerTransaction: Math.min(limits.eventsPerTransaction, room),
  });
  const isFirst = limits.first !== undefined;
  const reminders = traceSeal(limits.tracer, events, { startedAtMs });
  const jobs = await remindToDeliver(
    boss,
    reminders.map((event) => (isFirst ? { ...event, ahead: aheadOfAll } : event)),
    trx,
  );
  // To a queue whose row was lost pg-boss adds nothing, and says nothing; the sweep brings the queue back.
  if (jobs !== events.length) {
    throw new Error(`sealing made ${events.length} events but ${jobs} jobs; nothing was sealed`);
  }
  return events;
}

async function readDatabaseClock(db: Kysely<DB>): Promise<Date> {
  const clock = await sql<{ now: Date }>`select date_trunc('milliseconds', now()) as now`.execute(db);
  const [row] = clock.rows;
  if (row === undefined) throw new Error("the database has no clock");
  return row.now;
}

async function countUndelivered(trx: Transaction<DB>, max: number): Promise<number> {
  const counted = await sql<{ count: number }>`
    select count(*)::int as count
    from (select from metering.meter_events where state = 'pending' limit ${max}) pending
  `.execute(trx);
  return counted.rows[0]?.count ?? 0;
}

const tracesOfEntries = sql<string[] | null>`
  (array_agg(e.traceparent order by e.occurred_at, e.id) filter (where e.traceparent is not null))[1:${sql.lit(entryTracesMax)}]
`;

/**
 * Chooses organizations by their oldest unsealed hour, folds that hour's entries by meter, and stamps them, in one
 * statement and so on one snapshot: exactly the entries that were folded are stamped.
 *
 * Where the organization was linked to another customer inside the hour, or a billing period starts or ends in it, the
 * fold is split there, so that each customer gets its own usage, and every event's time lies in the period of all its
 * entries. `sum` adds up; `last` takes the latest entry.
 */
async function foldAndStamp(trx: Transaction<DB>, limits: Seal): Promise<SealedEvent[]> {
  const lastMeters = metersFoldedBy("last");
  const sealed = await sql<SealedEvent & { stamped: number }>`
    with oldest as materialized (
      select
        b.organization_id, b.billed_until, s.current_period_start, s.current_period_end,
        date_trunc('hour', unsealed.occurred_at, 'UTC') as hour
      from (
        select organization_id, max(ends_at) as billed_until
        from metering.customer_spans
        where coalesce(organization_id = ${limits.first ?? null}::uuid, true)
        group by organization_id
      ) b
      left join metering.subscriptions s on s.organization_id = b.organization_id
      cross join lateral (
        select e.occurred_at
        from metering.meter_outbox e
        where e.organization_id = b.organization_id and e.meter_event_id is null and e.meter = any(${limits.meters})
          and e.occurred_at <= ${limits.cutOff} and e.occurred_at < b.billed_until
        order by e.occurred_at
        limit 1
      ) unsealed
      order by hour, b.organization_id
      limit ${limits.eventsPerTransaction}
    ),
    chosen as materialized (
      select *
      from (
        select o.*, sum(counted.entries) over (order by o.hour, o.organization_id) - counted.entries as entries_before
        from oldest o
        cross join lateral (
          select count(*) as entries
          from metering.meter_outbox e
          where e.organization_id = o.organization_id and e.meter_event_id is null and e.meter = any(${limits.meters})
            and e.occurred_at <= ${limits.cutOff} and e.occurred_at < o.billed_until
            and e.occurred_at >= o.hour and e.occurred_at < o.hour + interval '1 hour'
        ) counted
      ) bounded
      where entries_before < ${limits.entriesPerTransaction}
    ),
    folded as materialized (
      select
        c.organization_id, c.hour, w.stripe_customer_id, e.meter, w.starts_at, w.ends_at,
        p.current_period_start, p.current_period_end,
        coalesce(e.occurred_at >= p.current_period_start, true) as in_started_period,
        coalesce(e.occurred_at >= p.current_period_end, false) as in_next_period,
        metering.uuid_v7(clock_timestamp()) as id,
        case
          when e.meter = any(${lastMeters}) then (array_agg(e.quantity order by e.occurred_at desc, e.id desc))[1]
          else sum(e.quantity)::bigint
        end as quantity,
        max(e.occurred_at) as event_at,
        count(*)::int as entries,
        ${limits.tracer.isOn ? tracesOfEntries : sql`null::text[]`} as traceparents
      from chosen c
      join metering.customer_spans w
        on w.organization_id = c.organization_id and w.ends_at > c.hour and w.starts_at < c.hour + interval '1 hour'
      -- The period is that of the present link, and no other's.
      cross join lateral (
        select
          case when w.ends_at = 'infinity' then c.current_period_start end as current_period_start,
          case when w.ends_at = 'infinity' then c.current_period_end end as current_period_end
      ) p
      join metering.meter_outbox e
        on e.organization_id = c.organization_id and e.meter_event_id is null and e.meter = any(${limits.meters})
          and e.occurred_at <= ${limits.cutOff}
          and e.occurred_at >= c.hour and e.occurred_at < c.hour + interval '1 hour'
          and e.occurred_at >= w.starts_at and e.occurred_at < w.ends_at
      group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    ),
    stamped as (
      update metering.meter_outbox e
      set meter_event_id = f.id
      from folded f
      where e.organization_id = f.organization_id and e.meter_event_id is null and e.meter = f.meter
        and e.occurred_at <= ${limits.cutOff}
        and e.occurred_at >= f.hour and e.occurred_at < f.hour + interval '1 hour'
        and e.occurred_at >= f.starts_at and e.occurred_at < f.ends_at
        and coalesce(e.occurred_at >= f.current_period_start, true) = f.in_started_period
        and coalesce(e.occurred_at >= f.current_period_end, false) = f.in_next_period
      returning e.meter_event_id
    ),
    stamped_counts as (
      select meter_event_id, count(*)::int as entries from stamped group by meter_event_id
    ),
    events as (
      insert into metering.meter_events
        (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
      select organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id
      from folded
      returning organization_id, id, meter, hour, stripe_customer_id, quantity, entries
    )
    select
      v.organization_id as "organizationId", v.id as "meterEventId", v.meter,
      v.stripe_customer_id as "stripeCustomerId", v.entries,
      v.quantity::text as quantity, f.traceparents,
      coalesce(t.entries, 0) as stamped,
      (
        (
          select count(*) from metering.meter_events p
          where p.organization_id = v.organization_id and p.meter = v.meter and p.state = 'pending'
        )
        + row_number() over (partition by v.organization_id, v.meter order by v.hour, v.id) - 1
      )::int as ahead
    from events v
    join folded f on f.organization_id = v.organization_id and f.id = v.id
    left join stamped_counts t on t.meter_event_id = v.id
  `.execute(trx);
  const torn = sealed.rows.find((event) => event.stamped !== event.entries);
  if (torn !== undefined) {
    throw new Error(`sealing folded ${torn.entries} entries but stamped ${torn.stamped}; nothing was sealed`);
  }
  return sealed.rows;
}
