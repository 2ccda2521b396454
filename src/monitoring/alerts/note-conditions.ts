import { sql } from "kysely";
import type { Db, Trx } from "../../database/db.ts";
import type { Log } from "../../log.ts";
import type { Measurement } from "../metrics/database-gauges.ts";
import { alertRules } from "./alert-rules.ts";
import { type Condition, findConditions } from "./find-conditions.ts";
import { type Alert, moveAlert, newAlert } from "./move-alert.ts";

type StoredAlert = Alert & { name: string; subject: string };

/** Claims the next look for this process; false while another process looked less than `everyMs` ago. */
export async function claimLook(db: Db, everyMs: number): Promise<boolean> {
  const claimed = await sql`
    update metering.alert_watch set looked_at = now()
    where looked_at <= now() - ${everyMs} * interval '1 millisecond'
    returning true
  `.execute(db);
  return claimed.rows.length > 0;
}

/**
 * Stores each condition of a measurement, and logs alerts that begin and end. `isWhole`: every read of the measurement
 * succeeded; if not, a missing gauge says nothing.
 */
export async function noteConditions(
  { db, log }: { db: Db; log: Log },
  { samples }: Pick<Measurement, "samples">,
  { now, isWhole }: { now: Date; isWhole: boolean },
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const stored =
      await sql<StoredAlert>`select * from metering.alerts order by name, subject for update`.execute(trx);
    const found = findConditions(alertRules, samples);
    const gone = isWhole ? conditionsGone(stored.rows, found) : [];
    for (const condition of [...found, ...gone]) {
      const before = stored.rows.find((alert) => isOf(alert, condition));
      // A condition that was never true and cannot grow needs no row.
      if (before === undefined && condition.isTrue === false) continue;
      const after = moveAlert(before ?? newAlert, condition, now);
      await writeAlert(trx, condition, after);
      logChange(log, condition, { before: before ?? newAlert, after });
    }
  });
}

/** Alerts whose gauge, or whose subject, does not exist any more: their conditions are false. */
function conditionsGone(stored: readonly StoredAlert[], found: readonly Condition[]): Condition[] {
  return stored
    .filter((alert) => !found.some((condition) => isOf(alert, condition)))
    .flatMap(({ name, subject, value }) => {
      const rule = alertRules.find((one) => one.name === name);
      return rule === undefined ? [] : [{ rule, subject, value: value ?? 0, isTrue: false }];
    });
}

function isOf(alert: StoredAlert, { rule, subject }: Condition): boolean {
  return alert.name === rule.name && alert.subject === subject;
}

async function writeAlert(trx: Trx, { rule, subject }: Condition, alert: Alert): Promise<void> {
  const {
    value,
    true_since,
    false_since,
    level,
    grown_at,
    began_at,
    began_told_at,
    ended_at,
    ended_told_at,
  } = alert;
  const columns = {
    value,
    true_since,
    false_since,
    level,
    grown_at,
    began_at,
    began_told_at,
    ended_at,
    ended_told_at,
  };
  await trx
    .insertInto("alerts")
    .values({ name: rule.name, subject, ...columns })
    .onConflict((row) => row.columns(["name", "subject"]).doUpdateSet(columns))
    .execute();
}

function logChange(
  log: Log,
  { rule, subject, value }: Condition,
  { before, after }: { before: Alert; after: Alert },
): void {
  const fields = { alert: rule.name, subject, value };
  if (after.began_at?.getTime() !== before.began_at?.getTime()) {
    log.warn({ event: "alert_began", severity: rule.severity, ...fields });
  } else if (after.ended_at !== null && before.ended_at === null) {
    log.info({ event: "alert_ended", ...fields });
  }
}
