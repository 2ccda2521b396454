import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import type { MeterEventState } from "../../delivery/meter-event-states.ts";
import { findViolations } from "../../testing/rows/invariants.ts";
import type { Counted } from "./remembering-stripe.ts";
import type { Organization, World } from "./world.ts";

type Row = {
  id: string;
  organizationId: string;
  meter: string;
  state: MeterEventState;
  quantity: bigint;
};

/**
 * Compares, after everything has come to rest, the posted readings with Stripe's counts. A sentence for each difference
 * that usage does not explain which Stripe would refuse for its age. No doubt is left.
 */
export async function findDifferences(world: World): Promise<string[]> {
  const { db } = world.database;
  const events = await readEvents(db);
  const counts = Map.groupBy(world.stripe.counts, ({ identifier }) => identifier);
  return [
    ...world.stripe.offences,
    ...(await findViolations(db)),
    ...events.flatMap((event) => judgeEvent(event, counts.get(event.id) ?? [])),
    ...world.organizations.flatMap((organization) => [
      ...judgeSum(organization, events, world.stripe.counts),
      ...judgeGauge(organization, events, world.stripe.counts),
    ]),
  ];
}

async function readEvents(db: Db): Promise<Row[]> {
  const { rows } = await sql<Omit<Row, "quantity"> & { quantity: string }>`
    select id, organization_id as "organizationId", meter, state, quantity::text as quantity
    from metering.meter_events
  `.execute(db);
  return rows.map((row) => ({ ...row, quantity: BigInt(row.quantity) }));
}

function judgeEvent({ id, meter, state }: Row, counts: readonly Counted[]): string[] {
  const times = counts.length;
  switch (state) {
    case "delivered":
      // Of a gauge only the value is billed: one that Stripe has already need not be counted again.
      return times === 1 || (meter === "active_sensors" && times === 0)
        ? []
        : [`${id} is ${state} and was counted ${times} times`];
    case "expired":
      return times === 0 ? [] : [`${id} is expired and was counted ${times} times`];
    case "superseded":
      return times <= 1 ? [] : [`${id} is ${state} and was counted ${times} times`];
    case "in_doubt":
    case "pending":
    case "rejected":
      return [`${id} is still ${state}`];
  }
}

/** Posted and counted differ by exactly the quantity that is expired. */
function judgeSum(organization: Organization, events: readonly Row[], counts: readonly Counted[]): string[] {
  const counted = counts.filter(
    ({ customer, eventName }) => customer === organization.customer && eventName === "temperature_readings",
  );
  const identifiers = new Set(counted.map(({ identifier }) => identifier));
  const missing = events.filter(
    ({ id, organizationId, meter, state }) =>
      organizationId === organization.id &&
      meter === "temperature_readings" &&
      state === "expired" &&
      !identifiers.has(id),
  );
  const billed = sum(counted.map(({ value }) => value));
  const excused = sum(missing.map(({ quantity }) => quantity));
  return billed + excused === BigInt(organization.posted)
    ? []
    : [
        `${organization.customer} posted ${organization.posted}, Stripe counted ${billed}, excused are ${excused}`,
      ];
}

/** No older value arrives after a newer one, and the last value is counted unless its own event was lost. */
function judgeGauge(
  organization: Organization,
  events: readonly Row[],
  counts: readonly Counted[],
): string[] {
  const values = counts.filter(
    ({ customer, eventName }) => customer === organization.customer && eventName === "active_sensors",
  );
  const late = values.filter(({ usedAtMs }, index) =>
    values.slice(0, index).some((earlier) => earlier.usedAtMs > usedAtMs),
  );
  const differences = late.map(({ identifier }) => `gauge value ${identifier} came after a newer one`);
  const isExcused = events.some(
    ({ organizationId, meter, state }) =>
      organizationId === organization.id &&
      meter === "active_sensors" &&
      (state === "in_doubt" || state === "expired"),
  );
  const last = values.at(-1)?.value ?? null;
  const isRight = last === null ? organization.gauge === null : Number(last) === organization.gauge;
  return isExcused || isRight
    ? differences
    : [...differences, `${organization.customer} measured ${organization.gauge} last, Stripe has ${last}`];
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}
