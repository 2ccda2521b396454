import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import type { Simulator } from "../../simulator/create-simulator.ts";
import { hourMs } from "./hours.ts";

type EventRow = { id: string; meter: string; quantity: string; customer: string; hour: Date; state: string };

/**
 * Differences between Stripe's records and our meter events: a sentence for each, none when every delivered event was
 * counted once, as it was sealed and in its own hour, and no other event was counted.
 */
export async function findBillingViolations(
  db: Db,
  { simulator }: { simulator: Pick<Simulator, "meterEvents" | "requests"> },
): Promise<string[]> {
  const { rows } = await sql<EventRow>`
    select id, meter, quantity::text as quantity, stripe_customer_id as customer, hour, state
    from metering.meter_events
  `.execute(db);
  const events = new Map(rows.map((event) => [event.id, event]));
  const records = simulator.meterEvents();
  const counted = new Set(records.map(({ identifier }) => identifier));
  const conflicts = simulator.requests().conflicting_identifiers;
  return [
    ...conflicts.map(({ identifier, values }) => `${identifier} was sent as ${values.join(" and ")}`),
    ...rows
      .filter(({ id, state }) => state === "delivered" && !counted.has(id))
      .map(({ id, state }) => `${id} is ${state}, but Stripe never counted it`),
    ...records.flatMap((record) => differences(record, events.get(record.identifier))),
  ];
}

type StripeRecord = ReturnType<Simulator["meterEvents"]>[number];

function differences(record: StripeRecord, event: EventRow | undefined): string[] {
  const { identifier } = record;
  if (event === undefined) return [`Stripe counted ${identifier}, which is no meter event`];
  const found: string[] = [];
  const told = [record.event_name, record.customer, record.value].join(" ");
  const sealed = [event.meter, event.customer, event.quantity].join(" ");
  if (told !== sealed) found.push(`${identifier} was sealed as ${sealed}, but counted as ${told}`);
  if (record.times_counted !== 1) found.push(`${identifier} was counted ${record.times_counted} times`);
  const offsetMs = record.timestamp * 1_000 - event.hour.getTime();
  if (offsetMs < 0 || offsetMs >= hourMs) found.push(`${identifier} was counted outside its hour`);
  return found;
}
