/** Half-open. */
export type Minutes = { from: Date; to: Date };

/** How far figures are written, and the end of the latest minute that is over. */
export type Progress = { writtenUntil: Date; finalUntil: Date; endsAt: Date };

export type Turn = {
  /** The minute that has just ended: counted at once, with what waits now. Undefined: it stands already. */
  latest: Minutes | undefined;
  /** Minutes whose last attempts have ended, counted for the last time. Undefined: there are none. */
  final: Minutes | undefined;
  finalUntil: Date;
  /** More minutes wait for a turn. */
  isBehind: boolean;
};

const minuteMs = 60_000;
/** An attempt that takes longer than this, by far the longest lease, is in no figure. */
export const finalAfterMs = 5 * minuteMs;
/** After an absence of all workers, minutes of so long before are counted from their rows. */
const filledMsMax = 7 * 24 * 60 * minuteMs;
/** So that a turn stays short, however long the absence. */
const finalMinutesMax = 15;

/** What is to be counted now. A clock that was set back makes no minute wait for it. Pure. */
export function planTurn({ writtenUntil, finalUntil, endsAt }: Progress): Turn {
  const [ends, settled] = [endsAt.getTime(), endsAt.getTime() - finalAfterMs];
  const isAhead = finalUntil.getTime() > ends;
  const from = isAhead ? settled : Math.max(finalUntil.getTime(), ends - filledMsMax);
  const to = Math.max(from, Math.min(settled, from + finalMinutesMax * minuteMs));
  const isWritten = writtenUntil.getTime() === ends;
  return {
    latest: isWritten ? undefined : { from: new Date(ends - minuteMs), to: endsAt },
    final: to > from ? { from: new Date(from), to: new Date(to) } : undefined,
    finalUntil: new Date(to),
    isBehind: to < settled,
  };
}
