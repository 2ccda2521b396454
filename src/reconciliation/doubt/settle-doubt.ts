import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db, Trx } from "../../database/db.ts";
import { type Reminder, remindToDeliver } from "../../queue/deliver-job.ts";
import { floorTo, hourMs } from "../windows.ts";
import { lockDoubt } from "./lock-doubt.ts";
import { foldWindow, type Window } from "../fold-window.ts";

export type Settlement = {
  window: Window;
  eventIds: readonly string[];
  verdict: "all" | "none" | "part";
  /** For a part: the events that Stripe does not have. */
  missing?: bigint | undefined;
  /** The look that says so, and the window's events at that time. */
  evidenceId: string;
  fingerprint: string;
};

/** An event whose doubt has ended. */
export type SettledEvent = {
  organizationId: string;
  id: string;
  meter: Reminder["meter"];
  stripeCustomerId: string;
  state: string;
  deliverId: string | null;
  quantity: string;
};

/**
 * Ends the doubt about a window's events, with the jobs that send usage again, in one transaction. Its events are
 * locked, and nothing is done when one of them has changed since the look: undefined.
 */
export async function settleDoubt(
  { db, boss }: { db: Db; boss: PgBoss },
  { window, eventIds, verdict, missing, evidenceId, fingerprint }: Settlement,
): Promise<SettledEvent[] | undefined> {
  return db.transaction().execute(async (trx) => {
    await lockEvents(trx, window);
    if ((await foldWindow(trx, window)).fingerprint !== fingerprint) return undefined;
    const { rows } = await sql<SettledEvent>`
      select
        organization_id as "organizationId", id, meter, stripe_customer_id as "stripeCustomerId", state,
        deliver_id as "deliverId", quantity::text as quantity
      from metering.settle_doubt(
        ${window.organizationId}::uuid, ${eventIds}::uuid[], ${verdict}, ${missing ?? null}::bigint, ${evidenceId}::uuid
      )
    `.execute(trx);
    await remind({ trx, boss }, rows);
    return rows;
  });
}

/** Sends the jobs for usage that is sent again. */
async function remind(
  { trx, boss }: { trx: Trx; boss: PgBoss },
  settled: readonly SettledEvent[],
): Promise<void> {
  const reminders = settled.flatMap(({ deliverId, ...event }) =>
    deliverId === null ? [] : [{ ...event, meterEventId: deliverId, ahead: 0 }],
  );
  await remindToDeliver(boss, reminders, trx);
}

/** All events of the window, so that none of them is settled meanwhile. */
async function lockEvents(trx: Trx, { organizationId, customer, meter, start, end }: Window): Promise<void> {
  const { rows } = await sql<{ id: string }>`
    select id from metering.meter_events
    where organization_id = ${organizationId} and meter = ${meter} and stripe_customer_id = ${customer}
      and hour >= ${floorTo(start, hourMs)}::timestamptz and hour < ${end}::timestamptz
      and event_at >= ${start}::timestamptz and event_at < ${end}::timestamptz
  `.execute(trx);
  await lockDoubt(
    trx,
    organizationId,
    rows.map(({ id }) => id),
  );
}
