import { comparePeriod } from "../../../src/reconciliation/compare-period.ts";
import { foldWindow } from "../../../src/reconciliation/fold-window.ts";
import type { LookDeps } from "../../../src/reconciliation/look.ts";
import { meterNames } from "../../../src/usage/meters.ts";
import type { Comparison } from "../comparison.ts";
import { openTables } from "../load/due-events.ts";
import { addFleet } from "../load/fleet.ts";
import { quantileOf } from "../statistics.ts";
import { ask, checkpoint, createOurDatabase, type Site } from "../site/site.ts";

const bench = "books";
const organizations = 1_000;
/** Of each meter and customer: 10 million in all, as seals every 9 minutes leave them in 31 days. */
const eventsEach = 5_000;
const periodDays = 31;
const readsLimit = 2_200;
const msLimit = 200;

/**
 * Comparing each of 1,000 customers with Stripe's sums of a period, both meters, all equal, beside 10 million meter events.
 * Stripe's sums come at once: what is measured is our part. The limit is one for nearly every customer, not for half of them.
 */
export async function benchBooks(site: Site): Promise<Comparison[]> {
  const url = await createOurDatabase(site, "books");
  await addFleet(url, { organizations, sensors: 1 });
  await addDeliveredEvents(url);
  await checkpoint(url);
  const { db } = await openTables(site, url);
  const subjects = await ask<{ organizationId: string; customer: string }>(
    url,
    `select organization_id as "organizationId", stripe_customer_id as customer from metering.subscriptions`,
  );
  let reads = 0;
  const end = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - 3_600_000);
  const span = { start: new Date(end.getTime() - periodDays * 86_400_000), end };
  const msEach: number[] = [];
  for (const subject of subjects) {
    const theirs = new Map<string, string>();
    for (const meter of meterNames) {
      theirs.set(meter, (await foldWindow(db, { ...subject, ...span, meter })).certain);
    }
    const deps: LookDeps = {
      db,
      eventNames: { temperature_readings: "temperature_readings", active_sensors: "active_sensors" },
      budget: { perDay: 100_000, evidencePerDay: 100_000 },
      settleSeconds: 0,
      absenceSeconds: 3_600,
      reads: {
        meters: {
          knowing: async () =>
            new Map(meterNames.map((meter) => [meter, { eventName: meter, isActive: true }])),
          forget: () => {},
        },
        readEventSummaries: async ({ meterId, start, end: until }) => {
          reads += 1;
          return [{ start, end: until, value: theirs.get(meterId) ?? "0" }];
        },
      },
    };
    const startedAtMs = performance.now();
    for (const meter of meterNames) {
      const compared = await comparePeriod(deps, { ...subject, ...span, meter }, { cause: "close" });
      if (typeof compared === "string" || compared.whole.result !== "equal") {
        throw new Error(`${subject.customer} is not equal`);
      }
    }
    msEach.push(performance.now() - startedAtMs);
  }
  const target = { ratio: "at most" as const, value: 1 };
  const peer = "the limit";
  return [
    {
      bench,
      what: "99th percentile of comparing a customer, both meters, beside 10,000,000 meter events",
      unit: "ms",
      ours: [quantileOf(msEach, 0.99)],
      peer,
      theirs: [msLimit],
      target,
    },
    {
      bench,
      what: "reads of Stripe's sums for 1,000 customers whose period is equal",
      unit: "reads",
      ours: [reads],
      peer,
      theirs: [readsLimit],
      target,
    },
  ];
}

async function addDeliveredEvents(url: string): Promise<void> {
  for (const meter of meterNames) {
    await ask(
      url,
      `insert into metering.meter_events (
         organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, state, attempts_started,
         attempts_finished, last_attempt_at, delivered_at, sealed_at
       )
       select
         s.organization_id, metering.uuid_v7(e.at), $2, date_trunc('hour', e.at, 'UTC'), n % 100, e.at, 1,
         s.stripe_customer_id, 'delivered', 1, 1, e.at, e.at, e.at
       from generate_series(1, $1::int) n
       cross join lateral (select now() - interval '2 hours' - n * interval '31 days' / ($1::int + 100) as at) e
       cross join metering.subscriptions s`,
      [eventsEach, meter],
    );
  }
}
