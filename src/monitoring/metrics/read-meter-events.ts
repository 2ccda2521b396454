import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { sendableStates } from "../../delivery/meter-event-states.ts";
import { eventAgeMsMax, identifierSafeMs } from "../../delivery/limits.ts";
import { meterNames } from "../../usage/meters.ts";
import { readSending } from "../shadow-mode.ts";
import type { Sample } from "./database-gauges.ts";

/**
 * The states that wait for the service or an operator. Delivered events are counted as they are settled: counting a
 * year's rows would take too long.
 */
const openStates = [...sendableStates, "expired"] as const;

type OpenEvents = {
  state: string;
  meter: string;
  count: number;
  quantity: number;
  ageSeconds: number;
  /** Since the first attempt of unknown outcome; null when there was none. */
  unknownSeconds: number | null;
};

/** How many meter events are open, since when, and how much time is left for the worst of them. */
export async function readMeterEventGauges(db: Db): Promise<Sample[]> {
  const { isShadow } = await readSending(db);
  const open = isShadow ? (await readOpenEvents(db)).map(withoutAge) : await readOpenEvents(db);
  const none = openStates.flatMap((state) =>
    meterNames.map((meter) => ({ state, meter, count: 0, quantity: 0, ageSeconds: 0 })),
  );
  const samples = [...none, ...open].flatMap(({ state, meter, count, quantity, ageSeconds }): Sample[] => {
    const labels = { state, meter };
    return [
      { name: "meter_outbox_meter_events", labels, value: count },
      { name: "meter_outbox_meter_events_quantity", labels, value: quantity },
      { name: "meter_outbox_meter_events_oldest_age_seconds", labels, value: ageSeconds },
    ];
  });
  const shadow: Sample = { name: "meter_outbox_shadow_mode", value: isShadow ? 1 : 0 };
  return [...samples, shadow, ...timeLeft(open, isShadow)];
}

/** What is not sent on purpose is not late. */
function withoutAge(events: OpenEvents): OpenEvents {
  return events.state === "pending" ? { ...events, ageSeconds: 0 } : events;
}

/** What is past its limit has 0 seconds left: an alert would tell people of less than no time. */
function timeLeft(open: readonly OpenEvents[], isShadow: boolean): Sample[] {
  const samples: Sample[] = [];
  const unknownSeconds = open.flatMap((events) => events.unknownSeconds ?? []);
  if (unknownSeconds.length > 0) {
    const value = Math.max(0, identifierSafeMs / 1_000 - Math.max(...unknownSeconds));
    samples.push({ name: "meter_outbox_identifier_seconds_left", value });
  }
  const sendable = open.filter(
    ({ state }) => sendableStates.some((one) => one === state) && !(isShadow && state === "pending"),
  );
  if (sendable.length > 0) {
    const oldestSeconds = Math.max(...sendable.map(({ ageSeconds }) => ageSeconds));
    const value = Math.max(0, eventAgeMsMax / 1_000 - oldestSeconds);
    samples.push({ name: "meter_outbox_expiry_seconds_left", labels: { of: "meter_event" }, value });
  }
  return samples;
}

/**
 * Two statements in one, each with the predicate of its partial index word for word: meter_events_pending and
 * meter_events_attention. The seal bounds the first, and operators keep the second short.
 */
async function readOpenEvents(db: Db): Promise<OpenEvents[]> {
  const open = await sql<OpenEvents>`
    select
      'pending' as state, meter, count(*)::float8 as count, sum(quantity)::float8 as quantity,
      extract(epoch from now() - min(event_at))::float8 as "ageSeconds",
      extract(epoch from now() - min(first_unknown_at))::float8 as "unknownSeconds"
    from metering.meter_events
    where state = 'pending'
    group by meter
    union all
    select
      state, meter, count(*)::float8, sum(quantity)::float8,
      extract(epoch from now() - min(event_at))::float8,
      null
    from metering.meter_events
    where state in ('in_doubt', 'rejected', 'expired')
    group by state, meter
  `.execute(db);
  return open.rows;
}
