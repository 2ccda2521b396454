import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { meterNames } from "../../usage/meters.ts";
import { countBilledTwice } from "../billed-twice.ts";
import { lacksUsage } from "../not-billed.ts";
import { isOverdueDraft } from "../overdue-drafts.ts";
import type { Sample } from "./database-gauges.ts";

type Drafts = { held: number; heldSeconds: number; openSecondsLeft: number | null; overdue: number };

/**
 * Draft invoices that are held, that will be finalized over open usage, and that a person has to finalize. Reads drafts
 * alone, by their index.
 */
export async function readDraftGauges(db: Db): Promise<Sample[]> {
  const read = await sql<Drafts>`
    select
      count(*) filter (where i.held_until = i.finalizes_at and i.finalizes_at > now())::float8 as held,
      coalesce(
        extract(epoch from now() - min(i.held_since) filter (where i.held_until = i.finalizes_at)), 0
      )::float8 as "heldSeconds",
      extract(epoch from min(i.finalizes_at) filter (where p.books <> 'equal') - now())::float8 as "openSecondsLeft",
      count(*) filter (where ${isOverdueDraft})::float8 as overdue
    from metering.billing_invoices i
    join metering.billing_periods p on p.organization_id = i.organization_id and p.period_start = i.period_start
    where i.status = 'draft'
  `.execute(db);
  const none = { held: 0, heldSeconds: 0, openSecondsLeft: null, overdue: 0 };
  const { held, heldSeconds, openSecondsLeft, overdue } = read.rows[0] ?? none;
  return [
    { name: "meter_outbox_invoices_held", value: held },
    { name: "meter_outbox_invoice_held_seconds", value: heldSeconds },
    { name: "meter_outbox_invoices_overdue", value: overdue },
    ...(openSecondsLeft === null
      ? []
      : [{ name: "meter_outbox_open_draft_seconds_left" as const, value: Math.max(0, openSecondsLeft) }]),
  ];
}

/** What final invoices lack. */
export async function readNotBilledGauges(db: Db): Promise<Sample[]> {
  const read = await sql<{ meter: string; quantity: number }>`
    select lacking.key as meter, sum(lacking.value::numeric)::float8 as quantity
    from metering.billing_periods p
    cross join lateral jsonb_each_text(p.not_billed) lacking
    where ${lacksUsage}
    group by 1
  `.execute(db);
  return meterNames.map((meter) => ({
    name: "meter_outbox_not_billed_quantity",
    labels: { meter },
    value: read.rows.find((row) => row.meter === meter)?.quantity ?? 0,
  }));
}

/** How many organizations pay twice for the same usage. */
export async function readBilledTwiceGauges(db: Db): Promise<Sample[]> {
  return [{ name: "meter_outbox_billed_twice_organizations", value: await countBilledTwice(db) }];
}
