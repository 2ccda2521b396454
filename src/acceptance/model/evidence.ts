import { rejectReported } from "../../delivery/reject.ts";
import { silentLog } from "../../log.ts";
import { resolveDoubt } from "../../reconciliation/doubt/resolve-doubt.ts";
import { bucketsOf } from "../../reconciliation/windows.ts";
import { isMeterName, meterNames, meters } from "../../usage/meters.ts";
import type { World } from "./world.ts";

const minuteMs = 60_000;
const eventNames = { temperature_readings: "temperature_readings", active_sensors: "active_sensors" };
/** Sums lag less than the looks are apart. */
const absenceSeconds = 3_600;

/** Resolves what is in doubt by Stripe's sums, which lag by so many minutes. */
export async function reconcileDoubt(world: World, lagMinutes: number): Promise<void> {
  const known = new Map(meterNames.map((name) => [name, { eventName: name, isActive: true }]));
  await resolveDoubt({
    db: world.database.db,
    boss: world.boss,
    log: silentLog,
    eventNames,
    budget: { perDay: 1_000_000, evidencePerDay: 1_000_000 },
    settleSeconds: 900,
    absenceSeconds,
    reads: {
      meters: { knowing: async () => known, forget: () => {} },
      readEventSummaries: async ({ meterId, customerId: customer, start, end, grouping }) => {
        if (!isMeterName(meterId)) throw new Error(`Stripe has no meter ${meterId}`);
        world.sumReads += 1;
        const windows = grouping === undefined ? [{ start, end }] : bucketsOf({ start, end }, grouping);
        const lagMs = lagMinutes * minuteMs;
        return windows.map((window) => {
          const asked = { customer, eventName: meterId, lagMs, ...window };
          return { ...window, value: String(world.stripe.sumOf(asked, meters[meterId].aggregation)) };
        });
      },
    },
  });
}

/** Stripe reports what it refused since its last report, and names some of it. */
export async function reportRefused(world: World, samplesMax: number): Promise<void> {
  const refused = world.stripe.takeRefused();
  if (refused.length === 0) return;
  const reason = { code: "meter_event_invalid_value", message: "no" };
  const errors = refused.slice(0, samplesMax).map((identifier) => ({ identifier, ...reason }));
  // It validated them whenever it did.
  const validationStart = new Date(Date.now() - 400 * 86_400_000);
  const report = {
    errorCount: refused.length,
    errors,
    unnamed: reason,
    validationStart,
    validationEnd: new Date(),
  };
  await world.database.db.transaction().execute((trx) => rejectReported(trx, report, { meters: meterNames }));
}

/** A sentence for each customer whom Stripe bills more than was posted. */
export function findOverbilled({ organizations, stripe }: World): string[] {
  return organizations.flatMap(({ customer, posted }) => {
    const billed = stripe.counts
      .filter((one) => one.customer === customer && one.eventName === eventNames.temperature_readings)
      .reduce((sum, { value }) => sum + value, 0n);
    return billed > BigInt(posted) ? [`${customer} posted ${posted}, and Stripe bills ${billed}`] : [];
  });
}
