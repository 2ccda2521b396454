import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";

/** The end of each organization's running billing period, or one time for all. */
export type CutAt = "period-end" | Date;

export type CutOverOptions = {
  at: CutAt;
  /** Only this organization; otherwise all that a customer pays for. */
  organizationId?: string | undefined;
  /** Tells the same numbers and writes nothing. */
  isRehearsal: boolean;
  /** An earlier cut may move to a later time, as long as nothing between them was sent. */
  mayMove: boolean;
};

/** Quantities are decimal strings. Each number is of usage before the cut. */
export type MeterCut = {
  meter: MeterName;
  /** Meter events that became superseded, or would; of them, what may be at Stripe by an attempt of ours. */
  marked: number;
  markedQuantity: string;
  maybeCounted: number;
  /** A worker is sending these now: they are left, for another cut-over to mark. */
  underWay: number;
  /** Entries that the next seals mark. */
  unsealed: number;
  unsealedQuantity: string;
  /** Meter events of the 35 days before the cut that we have delivered. */
  sent: number;
  sentQuantity: string;
};

type CutOutcome =
  /** `kept`: there was a cut before; what came before it is marked all the same. */
  | { outcome: "cut" | "moved" | "kept" | "sent_since"; cutAt: Date; meters: MeterCut[] }
  /** No running period is known, so there is no time to cut at. */
  | { outcome: "no_period" | "period_over"; cutAt: null; meters: [] };

export type CutOver = CutOutcome & { organizationId: string };

/**
 * Marks usage up to a cut as billed by another path: it is never sent. Each organization is cut in a transaction of its own,
 * so one that was interrupted is finished by running it again; a cut that was made stays where it is.
 */
export async function cutOver(db: Db, options: CutOverOptions): Promise<CutOver[]> {
  const cuts: CutOver[] = [];
  for (const { organizationId, wanted, isOver } of await readWanted(db, options)) {
    const rows = await callCutOver(db, organizationId, { ...options, wanted });
    const [first] = rows;
    cuts.push(
      first === undefined
        ? { organizationId, outcome: isOver ? "period_over" : "no_period", cutAt: null, meters: [] }
        : { organizationId, outcome: first.outcome, cutAt: first.cutAt, meters: rows.map(({ cut }) => cut) },
    );
  }
  return cuts;
}

type Wanted = { organizationId: string; wanted: Date | null; isOver: boolean };

async function readWanted(db: Db, { at, organizationId }: CutOverOptions): Promise<Wanted[]> {
  const time = at === "period-end" ? null : at;
  const wanted = await sql<Wanted>`
    select
      organization_id as "organizationId",
      coalesce(${time}::timestamptz, case when current_period_end > now() then current_period_end end) as wanted,
      coalesce(current_period_end <= now(), false) as "isOver"
    from metering.subscriptions
    where stripe_customer_id is not null
      and organization_id = coalesce(${organizationId ?? null}::uuid, organization_id)
    order by organization_id
  `.execute(db);
  return wanted.rows;
}

type CutRow = { outcome: "cut" | "moved" | "kept" | "sent_since"; cutAt: Date; cut: MeterCut };

async function callCutOver(
  db: Db,
  organizationId: string,
  { wanted, mayMove, isRehearsal }: CutOverOptions & { wanted: Date | null },
): Promise<CutRow[]> {
  const cut = await sql<MeterCut & Omit<CutRow, "cut">>`
    select
      outcome, cut_at as "cutAt", meter, marked::float8 as marked, marked_quantity::text as "markedQuantity",
      maybe_counted::float8 as "maybeCounted", under_way::float8 as "underWay", unsealed::float8 as unsealed,
      unsealed_quantity::text as "unsealedQuantity", sent::float8 as sent, sent_quantity::text as "sentQuantity"
    from metering.cut_over(${organizationId}, ${wanted}, ${mayMove}, ${isRehearsal}, ${meterNames}::text[])
  `.execute(db);
  return cut.rows.map(({ outcome, cutAt, ...its }) => ({ outcome, cutAt, cut: its }));
}
