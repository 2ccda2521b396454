import { sql } from "kysely";
import { namesOrganizations } from "../database/by-shard.ts";
import type { Trx } from "../database/db.ts";
import { meters } from "../usage/meters.ts";
import { type Slice, unsealedOf } from "./find-slices.ts";
import { entryTracesMax, type SealedEvent } from "./sealed-event.ts";
import type { SliceInput } from "./slice-input.ts";

/** A meter event made of what was stamped. */
type Folded = Pick<SealedEvent, "meterEventId" | "entries" | "quantity">;

function columnOf(
  slices: readonly Slice[],
  column: "organizationId" | "meterEventId" | "stripeCustomerId" | "hour" | "startsAt" | "lastAt" | "lastId",
): string[] {
  return slices.map((slice) => slice[column]);
}

/** Gives the unsealed entries of each slice its meter event's id. Returns how many. */
export async function stampSlices(trx: Trx, slices: readonly Slice[], input: SliceInput): Promise<number> {
  const stamped = await sql`
    update metering.meter_outbox e
    set meter_event_id = f.meter_event_id
    from unnest(
      ${columnOf(slices, "organizationId")}::uuid[], ${columnOf(slices, "meterEventId")}::uuid[],
      ${columnOf(slices, "startsAt")}::timestamptz[], ${columnOf(slices, "lastAt")}::timestamptz[],
      ${columnOf(slices, "lastId")}::uuid[]
    ) f (organization_id, meter_event_id, starts_at, last_at, last_id)
    where ${unsealedOf(input.meter, "f")} ${namesOrganizations(input)("e")}
      and e.occurred_at >= f.starts_at and e.occurred_at <= f.last_at
      and (e.occurred_at, e.id) <= (f.last_at, f.last_id)
  `.execute(trx);
  return Number(stamped.numAffectedRows);
}

/** Makes the meter event of each slice, of the entries that were stamped with its id and no others. */
export async function foldStamped(trx: Trx, slices: readonly Slice[], input: SliceInput): Promise<Folded[]> {
  const { meter } = input;
  const quantity =
    meters[meter].aggregation === "last"
      ? sql`(array_agg(e.quantity order by e.occurred_at desc, e.id desc))[1]`
      : sql`sum(e.quantity)::bigint`;
  // The alias is for Citus, which would name the table of no shard in `returning`.
  const folded = await sql<Folded>`
    insert into metering.meter_events as m
      (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
    select
      e.organization_id, e.meter_event_id, ${meter}, f.hour, ${quantity}, max(e.occurred_at), count(*)::int,
      f.stripe_customer_id
    from ${stampedOf(slices)} ${namesOrganizations(input)("e")}
    group by e.organization_id, e.meter_event_id, f.hour, f.stripe_customer_id
    returning m.id as "meterEventId", m.entries, m.quantity
  `.execute(trx);
  return folded.rows;
}

/** The traces of the first entries of each meter event that were stored under one. */
export async function readTraces(
  trx: Trx,
  slices: readonly Slice[],
  input: SliceInput,
): Promise<ReadonlyMap<string, string[]>> {
  const traced = await sql<{ id: string; traceparents: string[] }>`
    select
      e.meter_event_id as id,
      (array_agg(e.traceparent order by e.occurred_at, e.id))[1:${sql.lit(entryTracesMax)}] as traceparents
    from ${stampedOf(slices)} ${namesOrganizations(input)("e")}
      and e.traceparent is not null
    group by e.organization_id, e.meter_event_id
  `.execute(trx);
  return new Map(traced.rows.map(({ id, traceparents }) => [id, traceparents]));
}

/** The entries `e` that were stamped for the slices `f`: what follows `from`, and may go on. */
function stampedOf(slices: readonly Slice[]) {
  return sql`unnest(
      ${columnOf(slices, "organizationId")}::uuid[], ${columnOf(slices, "meterEventId")}::uuid[],
      ${columnOf(slices, "startsAt")}::timestamptz[], ${columnOf(slices, "lastAt")}::timestamptz[],
      ${columnOf(slices, "hour")}::timestamptz[], ${columnOf(slices, "stripeCustomerId")}::text[]
    ) f (organization_id, meter_event_id, starts_at, last_at, hour, stripe_customer_id)
    join metering.meter_outbox e
      on e.organization_id = f.organization_id and e.meter_event_id = f.meter_event_id
      and e.occurred_at >= f.starts_at and e.occurred_at <= f.last_at
    where true`;
}
