import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import type { Log } from "../../log.ts";
import { alertRules } from "./alert-rules.ts";
import { type AlertPost, writeAlertPost } from "./alert-post.ts";

/** Sends a post. Resolves with the reason when it was not taken, or undefined when it was; never throws. */
export type SendAlert = (post: AlertPost) => Promise<string | undefined>;

export type TellDeps = {
  db: Db;
  log: Log;
  send: SendAlert;
  onPost: (result: "taken" | "failed") => void;
};

/** Longer than a post may take, so that no other process makes the same one meanwhile. */
const leaseSeconds = 60;
const retryBaseSeconds = 30;
const retryMaxSeconds = 900;

type Due = {
  name: string;
  subject: string;
  kind: "began" | "ended";
  value: number | null;
  beganAt: Date;
  endedAt: Date | null;
  attempts: number;
};

/** Sends the receiver everything that is due, the oldest first, a beginning before its end. Stops at `signal`. */
export async function tellAlerts(deps: TellDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const due = await claimDue(deps.db);
    if (due === undefined) return;
    await tell(deps, due);
  }
}

async function claimDue(db: Db): Promise<Due | undefined> {
  const claimed = await sql<Due>`
    update metering.alerts a
    set attempts = a.attempts + 1, next_attempt_at = now() + ${leaseSeconds} * interval '1 second'
    from (
      select name, subject
      from metering.alerts
      where (began_at is not null and began_told_at is null or ended_at is not null and ended_told_at is null)
        and next_attempt_at <= now()
      order by began_at, name, subject
      limit 1
      for update skip locked
    ) due
    where a.name = due.name and a.subject = due.subject
    returning a.name, a.subject, case when a.began_told_at is null then 'began' else 'ended' end as kind, a.value,
      a.began_at as "beganAt", a.ended_at as "endedAt", a.attempts
  `.execute(db);
  return claimed.rows[0];
}

async function tell({ db, log, send, onPost }: TellDeps, due: Due): Promise<void> {
  const rule = alertRules.find(({ name }) => name === due.name);
  // A rule of another version of the program; that version tells of it.
  if (rule === undefined) return;
  const reason = await send(writeAlertPost({ ...due, rule, value: due.value ?? 0 }));
  onPost(reason === undefined ? "taken" : "failed");
  if (reason === undefined) return settleTold(db, due);
  const delaySeconds = Math.min(retryMaxSeconds, retryBaseSeconds * 2 ** (due.attempts - 1));
  log.warn({
    event: "alert_post_failed",
    alert: due.name,
    kind: due.kind,
    attempts: due.attempts,
    reason,
    retry_in_seconds: delaySeconds,
  });
  await sql`
    update metering.alerts set next_attempt_at = now() + ${delaySeconds} * interval '1 second'
    where name = ${due.name} and subject = ${due.subject}
  `.execute(db);
}

// An alert that began again while its end was told begins once more for the receiver, too.
async function settleTold(db: Db, { name, subject, kind }: Due): Promise<void> {
  const told =
    kind === "began"
      ? sql`began_told_at = now()`
      : sql`
          ended_told_at = case when ended_at is not null then now() end,
          began_told_at = case when ended_at is not null then began_told_at end`;
  await sql`
    update metering.alerts set attempts = 0, next_attempt_at = '-infinity', ${told}
    where name = ${name} and subject = ${subject}
  `.execute(db);
}
