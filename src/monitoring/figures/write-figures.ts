import { sql } from "kysely";
import { joinByIndex } from "../../database/one-plan.ts";
import type { Db, Trx } from "../../database/db.ts";
import { countMinutes } from "./count-minutes.ts";
import { foldedFigures } from "./folded.ts";
import { noteWaiting } from "./note-waiting.ts";
import { finalAfterMs, type Minutes, planTurn, type Progress } from "./plan-turn.ts";

const statementTimeoutMs = 60_000;
const minutesKeptDays = 90;
const hoursKeptDays = 1_100;
/** After a long absence the rest goes in the next hours. */
const forgottenRowsMax = 50_000;
const hourMs = 3_600_000;

/**
 * Writes the figures of the minute that has ended, and of those before it whose last attempts have ended, in one
 * transaction. Of several workers one writes each minute; the others find it written, or leave it to that one. Returns
 * whether more minutes wait, as after an absence of all workers.
 */
export async function writeFigures(db: Db): Promise<{ isBehind: boolean }> {
  return db.transaction().execute(async (trx) => {
    await sql`set local statement_timeout = ${sql.lit(statementTimeoutMs)}`.execute(trx);
    await joinByIndex(trx);
    const progress = await takeTurn(trx);
    if (progress === undefined) return { isBehind: false };
    const { latest, final, finalUntil, isBehind } = planTurn(progress);
    if (final !== undefined) {
      await countMinutes(trx, final);
      await foldHours(trx, final);
    }
    if (latest !== undefined) {
      await countMinutes(trx, latest);
      await noteWaiting(trx, latest.from);
    }
    await trx
      .updateTable("figure_progress")
      .set({ written_until: progress.endsAt, final_until: finalUntil })
      .execute();
    return { isBehind };
  });
}

/** Undefined while there is nothing to write, or another worker is at it. */
async function takeTurn(trx: Trx): Promise<Progress | undefined> {
  const taken = await sql<Progress>`
    select written_until as "writtenUntil", final_until as "finalUntil", ends_at as "endsAt"
    from metering.figure_progress, (select date_trunc('minute', now(), 'UTC') as ends_at) clock
    where written_until <> ends_at or final_until < ends_at - make_interval(secs => ${finalAfterMs / 1_000})
    for update of figure_progress skip locked
  `.execute(trx);
  return taken.rows[0];
}

/** Folds the hours that end in these minutes, now that all of their minutes are final, and forgets old ones. */
async function foldHours(trx: Trx, { from, to }: Minutes): Promise<void> {
  const [first, end] = [from, to].map((at) => new Date(Math.floor(at.getTime() / hourMs) * hourMs));
  if (first === undefined || end === undefined || first.getTime() === end.getTime()) return;
  const hours = foldedFigures({ of: "minute", from: first, to: end, stepSeconds: hourMs / 1_000 });
  await sql`
    insert into metering.hour_figures (
      hour, meter, minutes, entries, quantity, delivered, delivered_quantity, rejected, retried, unanswered, latencies,
      unsealed_entries, unsealed_seconds, pending, pending_seconds
    )
    select
      at, meter, minutes, entries, quantity, delivered, delivered_quantity, rejected, retried, unanswered, latencies,
      unsealed_entries, unsealed_seconds, pending, pending_seconds
    from ${hours} hours
    on conflict (hour, meter) do update set
      minutes = excluded.minutes, entries = excluded.entries, quantity = excluded.quantity,
      delivered = excluded.delivered, delivered_quantity = excluded.delivered_quantity, rejected = excluded.rejected,
      retried = excluded.retried, unanswered = excluded.unanswered, latencies = excluded.latencies,
      unsealed_entries = excluded.unsealed_entries, unsealed_seconds = excluded.unsealed_seconds,
      pending = excluded.pending, pending_seconds = excluded.pending_seconds
  `.execute(trx);
  await forgetOldFigures(trx);
}

async function forgetOldFigures(trx: Trx): Promise<void> {
  await forgetOld(trx, { table: "minute_figures", time: "minute", keptDays: minutesKeptDays });
  await forgetOld(trx, { table: "hour_figures", time: "hour", keptDays: hoursKeptDays });
}

type Kept = { table: string; time: string; keptDays: number };

async function forgetOld(trx: Trx, { table, time, keptDays }: Kept): Promise<void> {
  const [from, at] = [sql.table(`metering.${table}`), sql.ref(time)];
  await sql`
    delete from ${from}
    where (${at}, meter) in (
      select ${at}, meter from ${from}
      where ${at} < now() - make_interval(days => ${keptDays})
      order by ${at}, meter
      limit ${forgottenRowsMax}
    )
  `.execute(trx);
}
