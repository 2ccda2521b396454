import { sql } from "kysely";
import { namesOrganizations } from "../database/by-shard.ts";
import type { Trx } from "../database/db.ts";
import { limitStatement } from "../database/limit-statement.ts";
import { isOfKey } from "../database/one-plan.ts";
import type { Turns } from "./choose-slices.ts";
import { findSlices } from "./find-slices.ts";
import { loadShipments } from "./load-shipments.ts";
import type { SealedEvent } from "./sealed-event.ts";
import type { SliceInput } from "./slice-input.ts";
import { foldStamped, readTraces, stampSlices } from "./stamp-slices.ts";

export type Slices = Omit<Turns, "slices"> & { events: SealedEvent[] };

/**
 * Seals the next slices of each organization: finds where they lie, stamps the entries in them, and folds exactly what was
 * stamped, also an entry that was committed meanwhile. Three statements of one transaction; a cluster sends each to the
 * shard of the organizations whole.
 *
 * A slice begins at the organization's oldest unsealed entry, or behind the slice before, and becomes one meter event. It
 * ends with the UTC hour; with the link to the customer who pays for its first entry; where a billing period of that
 * customer starts or ends, also one that is over; where usage was billed by another path until then; before the sum has
 * more digits than Stripe takes; and at `entriesMax`, if it alone has as many. `sum` adds up; `last` takes the latest.
 */
export async function sealSlices(trx: Trx, input: SliceInput): Promise<Slices> {
  const { slices: found, turns, unfinished } = await findSlices(trx, input);
  if (found.length === 0) return { events: [], turns, unfinished };
  // Those of a shipment are of different organizations.
  const inTurns = [...Map.groupBy(found, ({ inTurn }) => inTurn).values()];
  const slices = inTurns.flatMap((ofTurn) => loadShipments(ofTurn, input.eventsPerShipmentMin));
  await limitStatement(trx, input.untilMs);
  const stamped = await stampSlices(trx, slices, input);
  await limitStatement(trx, input.untilMs);
  const folded = await foldStamped(trx, slices, input);
  const sum = folded.reduce((entries, event) => entries + event.entries, 0);
  if (stamped !== sum) {
    throw new Error(`sealing stamped ${stamped} entries but folded ${sum}; nothing was sealed`);
  }
  const traces = input.isTraced ? await readTraces(trx, slices, input) : new Map<string, string[]>();
  const bySlice = new Map(folded.map((event) => [event.meterEventId, event]));
  const events = slices.map(
    ({ organizationId, meterEventId, stripeCustomerId, isBilledElsewhere, ahead, shipmentId }) => {
      const event = bySlice.get(meterEventId);
      if (event === undefined)
        throw new Error(`sealing lost the entries of ${organizationId}; nothing was sealed`);
      const traceparents = traces.get(meterEventId) ?? null;
      return {
        ...event,
        organizationId,
        meter: input.meter,
        stripeCustomerId,
        isBilledElsewhere,
        ahead,
        shipmentId,
        traceparents,
      };
    },
  );
  await markBilledElsewhere(trx, events, input);
  return { events, turns, unfinished };
}

async function markBilledElsewhere(
  trx: Trx,
  events: readonly SealedEvent[],
  input: SliceInput,
): Promise<void> {
  const marked = events.filter(({ isBilledElsewhere }) => isBilledElsewhere);
  if (marked.length === 0) return;
  await sql`
    update metering.meter_events m
    set state = 'superseded', reason = 'billed_elsewhere'
    from unnest(
      ${marked.map(({ organizationId }) => organizationId)}::uuid[],
      ${marked.map(({ meterEventId }) => meterEventId)}::uuid[]
    ) e (organization_id, id)
    where ${isOfKey("m", "e")} ${namesOrganizations(input)("m")}
  `.execute(trx);
}
