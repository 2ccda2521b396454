import type { Cause } from "./budget.ts";
import type { Window } from "./fold-window.ts";
import { type LookDeps, type NoLook, lookAt } from "./look.ts";
import { type Look, writeLooks } from "./looks.ts";
import { dayMs, type Grouping, hourMs, overlap, piecesOf, type Span, wholeBuckets } from "./windows.ts";
import { summariesMax } from "../stripe/read-event-summaries.ts";

/** A difference is found in as many reads; what they do not reach, the next comparison does. */
const readsMax = 4;

export type Comparison = {
  /** The whole window. */
  whole: Look;
  /** Days and hours that were read because the whole was not equal, the widest first. */
  parts: Look[];
  reads: number;
};

/**
 * Compares a window with Stripe's sum of it, and finds the hours that make a difference: one read tells whether there is
 * one, a second the days, further ones the hours of the days that differ. Writes all looks down together.
 */
export async function comparePeriod(
  deps: LookDeps,
  window: Window,
  { cause }: { cause: Cause },
): Promise<Comparison | NoLook> {
  const first = await lookAt(deps, window, { cause });
  if (typeof first === "string") return first;
  const [whole] = first;
  if (whole === undefined) throw new Error("a window without grouping has one sum");
  const { parts, reads } = isOff(whole) ? await findParts(deps, window, { cause }) : { parts: [], reads: 0 };
  const [lifted = whole, ...others] = lift([whole, ...parts], window);
  await writeLooks(deps.db, [lifted, ...others], cause);
  return { whole: lifted, parts: others, reads: 1 + reads };
}

/** One look at a window, written down. */
export async function compareWindow(
  deps: LookDeps,
  window: Window,
  { cause, grouping }: { cause: Cause; grouping?: Grouping },
): Promise<Look[] | NoLook> {
  const looks = await lookAt(deps, window, { cause, ...(grouping !== undefined && { grouping }) });
  if (typeof looks !== "string") await writeLooks(deps.db, looks, cause);
  return looks;
}

/** Stripe's sum is not ours, and neither doubt nor a delivery under way explains it. */
function isOff({ result, reason }: Look): boolean {
  return result === "different" || reason === "first_look";
}

async function findParts(
  deps: LookDeps,
  window: Window,
  options: { cause: Cause },
): Promise<{ parts: Look[]; reads: number }> {
  let reads = 0;
  let isPutOff = false;
  const parts: Look[] = [];
  const look = async (span: Span, grouping?: Grouping): Promise<Look[]> => {
    if (isPutOff || reads === readsMax - 1) return [];
    const found = await lookAt(deps, { ...window, ...span }, { ...options, ...(grouping && { grouping }) });
    isPutOff = typeof found === "string";
    if (typeof found === "string") return [];
    reads += 1;
    parts.push(...found);
    return found;
  };
  for (const hours of await spansOfHours(window, look)) {
    for (const hour of await look(hours, "hour")) {
      const cut = overlap(hour, window);
      const isWhole =
        cut !== undefined && cut.start >= hour.start && cut.end <= hour.end && lengthOf(cut) === hourMs;
      // The neighbouring period has a part of this hour: the difference may be there.
      if (isOff(hour) && cut !== undefined && !isWhole) await look(cut);
    }
  }
  return { parts, reads };
}

/** The hours worth reading, in spans that one answer holds: all of a short window, else those of the days that differ. */
async function spansOfHours(
  window: Window,
  look: (span: Span, grouping: Grouping) => Promise<Look[]>,
): Promise<Span[]> {
  const hours = wholeBuckets(window, "hour");
  if (lengthOf(hours) <= summariesMax * hourMs) return [hours];
  const days: Look[] = [];
  for (const piece of piecesOf(wholeBuckets(window, "day"), "day", summariesMax)) {
    days.push(...(await look(piece, "day")));
  }
  return joinDays(days.filter(isOff));
}

const daysInOneRead = Math.floor((summariesMax * hourMs) / dayMs);

function joinDays(days: readonly Span[]): Span[] {
  const joined: Span[] = [];
  for (const { start, end } of days.toSorted((one, other) => one.start.getTime() - other.start.getTime())) {
    const last = joined.at(-1);
    if (last !== undefined && end.getTime() - last.start.getTime() <= daysInOneRead * dayMs) last.end = end;
    else joined.push({ start, end });
  }
  return joined;
}

/** A window that has a part that differs, differs: its own sum may have been seen once only. */
function lift(looks: readonly Look[], window: Span): Look[] {
  const isAt = (part: Span, whole: Span) => part.start >= whole.start && part.end <= whole.end;
  return looks.map((look) =>
    isOff(look) &&
    looks.some(
      (part) => part !== look && part.result === "different" && isAt(part, look) && isAt(part, window),
    )
      ? { ...look, result: "different", reason: null }
      : look,
  );
}

function lengthOf({ start, end }: Span): number {
  return end.getTime() - start.getTime();
}
