import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { byIndex } from "../../database/one-plan.ts";
import { restoredReason } from "../../delivery/doubt-restored.ts";
import { meters } from "../../usage/meters.ts";
import type { Subject } from "../fold-window.ts";
import { ceilTo, floorTo, hourMs, minuteMs, type Span } from "../windows.ts";

/** An event of a window that has doubt. */
type WindowEvent = {
  id: string;
  hour: Date;
  eventAt: Date;
  quantity: bigint;
  isDoubtful: boolean;
  /** Refused for good, and yet an earlier attempt at it may have been counted. */
  isStray: boolean;
  /** Put in doubt after a restore, and not attempted before the backup. */
  isRestoredUntried: boolean;
};

/** The windows that are judged: an hour or, where a billing period ends inside it, a part of one. */
export type DoubtWindow = Span & {
  events: WindowEvent[];
  /** A billing period ends inside, in a minute that cannot be cut. */
  isOfTwoPeriods: boolean;
};

type Row = Omit<WindowEvent, "quantity"> & { quantity: string };

/** The windows of these hours that have events in doubt, each with all its events. */
export async function readDoubtWindows(
  db: Db,
  subject: Subject,
  hours: readonly Date[],
): Promise<DoubtWindow[]> {
  const rows = await readEvents(db, subject, hours);
  const ends = await readPeriodEnds(db, subject, hours);
  return hours
    .flatMap((hour) => {
      const end = new Date(hour.getTime() + hourMs);
      const events = rows
        .filter((row) => row.hour.getTime() === hour.getTime())
        .map((row) => ({ ...row, quantity: BigInt(row.quantity) }));
      const inside = ends.filter((at) => at > hour && at < end);
      return cutHour({ start: hour, end }, { events, ends: inside, isGauge: isGauge(subject) });
    })
    .filter(({ events }) => events.some(({ isDoubtful }) => isDoubtful));
}

/**
 * Pure. An hour is cut where a period ends, if its doubt, or any event of a gauge, lies on both sides of it. Stripe tells no
 * less than a minute, so the minute of the end is a part of its own. It is cut off, too, from doubt outside of it on the
 * same side: where Stripe has a part, the event that sends the rest has the time of the latest and stands for all, and the
 * neighbouring period's sum has that minute and no other.
 */
function cutHour(
  hour: Span,
  { events, ends, isGauge: ofGauge }: { events: WindowEvent[]; ends: readonly Date[]; isGauge: boolean },
): DoubtWindow[] {
  const concerned = ofGauge ? events : events.filter(({ isDoubtful }) => isDoubtful);
  const lieOnBothSides = (some: readonly WindowEvent[], at: Date) =>
    some.some(({ eventAt }) => eventAt < at) && some.some(({ eventAt }) => eventAt >= at);
  const minuteOf = (at: Date) => [floorTo(at, minuteMs), ceilTo(at, minuteMs)];
  const cuts = ends.filter((at) =>
    (ofGauge ? [at] : [at, ...minuteOf(at)]).some((edge) => lieOnBothSides(concerned, edge)),
  );
  const edges = [hour.start, ...cuts.flatMap(minuteOf), hour.end];
  const sorted = [...new Set(edges.map((at) => at.getTime()))].toSorted((one, other) => one - other);
  return sorted.slice(1).map((endMs, index) => {
    const start = new Date(sorted[index] ?? endMs);
    const end = new Date(endMs);
    const isInside = ({ eventAt }: WindowEvent) => eventAt >= start && eventAt < end;
    const inside = concerned.filter(isInside);
    return {
      start,
      end,
      events: events.filter(isInside),
      isOfTwoPeriods: ends.some((at) => at > start && at < end && lieOnBothSides(inside, at)),
    };
  });
}

function isGauge({ meter }: Subject): boolean {
  return meters[meter].aggregation === "last";
}

async function readEvents(
  db: Db,
  { organizationId, customer, meter }: Subject,
  hours: readonly Date[],
): Promise<Row[]> {
  const found = await byIndex(db, (trx) =>
    sql<Row>`
      select
        id, hour, event_at as "eventAt", quantity::text as quantity,
        state = 'in_doubt' or state = 'delivered' and reconcile_since is not null as "isDoubtful",
        coalesce(
          state = 'rejected' and first_unknown_at is not null
            and (reason = any(${untakenReasons}) or first_unknown_at < last_attempt_at),
          false
        ) as "isStray",
        coalesce(state = 'in_doubt' and reason = ${restoredReason} and attempts_started = 0, false) as "isRestoredUntried"
      from metering.meter_events
      where organization_id = ${organizationId} and meter = ${meter} and stripe_customer_id = ${customer}
        and hour = any(${hours}::timestamptz[])
      order by event_at, id
    `.execute(trx),
  );
  return found.rows;
}

/** Reasons of refusals that say nothing of attempts before. */
const untakenReasons = ["refused_by_stripe", "crashes_worker", "customer_deleted"];

/** Of the organization's periods, and of other subscriptions' of which no invoice is known yet. */
async function readPeriodEnds(db: Db, { organizationId }: Subject, hours: readonly Date[]): Promise<Date[]> {
  const found = await sql<{ at: Date }>`
    select at
    from (
      select unnest(array[period_start, period_end]) as at
      from metering.billing_periods
      where organization_id = ${organizationId}
      union
      select unnest(other_bounds) from metering.subscriptions where organization_id = ${organizationId}
    ) edge
    where date_trunc('hour', at, 'UTC') = any(${hours}::timestamptz[])
  `.execute(db);
  return found.rows.map(({ at }) => at);
}
