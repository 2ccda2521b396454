import type { Condition } from "./find-conditions.ts";

/** The stored state of an alert: of its condition, and of the receiver's knowledge. */
export type Alert = {
  value: number | null;
  true_since: Date | null;
  false_since: Date | null;
  /** For a condition about growth. */
  level: number | null;
  grown_at: Date | null;
  began_at: Date | null;
  began_told_at: Date | null;
  ended_at: Date | null;
  ended_told_at: Date | null;
};

export const newAlert: Alert = {
  value: null,
  true_since: null,
  false_since: null,
  level: null,
  grown_at: null,
  began_at: null,
  began_told_at: null,
  ended_at: null,
  ended_told_at: null,
};

/** A condition that comes and goes is one alert: it is over when it has been false for this long. */
const quietMs = 300_000;

/** The alert after a look at its condition. Pure. A change that the receiver does not know yet is never forgotten. */
export function moveAlert(before: Alert, { rule, value, isTrue }: Condition, now: Date): Alert {
  const { when, heldFor = 0 } = rule;
  if ("growsWithin" in when) {
    const grownAt = before.level !== null && value > before.level ? now : before.grown_at;
    const alert = { ...before, value, level: value, grown_at: grownAt };
    const isGrowing = grownAt !== null && since(grownAt, now) < when.keepFiring * 1_000;
    return isGrowing ? begin(alert, now) : end(alert, now);
  }
  if (isTrue === true) {
    const trueSince = before.true_since ?? now;
    const alert = { ...before, value, true_since: trueSince, false_since: null };
    return since(trueSince, now) >= heldFor * 1_000 ? begin(alert, now) : alert;
  }
  const falseSince = before.false_since ?? now;
  const alert = { ...before, value, true_since: null, false_since: falseSince };
  return since(falseSince, now) >= quietMs ? end(alert, now) : alert;
}

function begin(alert: Alert, now: Date): Alert {
  if (alert.began_at === null || alert.ended_told_at !== null) {
    return { ...alert, began_at: now, began_told_at: null, ended_at: null, ended_told_at: null };
  }
  // Its end was not told yet, so for the receiver it still goes on.
  return { ...alert, ended_at: null };
}

function end(alert: Alert, now: Date): Alert {
  return alert.began_at === null || alert.ended_at !== null ? alert : { ...alert, ended_at: now };
}

function since(moment: Date, now: Date): number {
  return now.getTime() - moment.getTime();
}
