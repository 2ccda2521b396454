import { summariesMax } from "../../stripe/read-event-summaries.ts";
import { type Grouping, hourMs, type Span } from "../windows.ts";

/** One request for Stripe's sums, and the windows that it tells of. */
export type PlannedRead<W extends Span> = { span: Span; grouping: Grouping | undefined; windows: W[] };

/**
 * As few requests as tell of these windows, which are in order: whole hours come many in one answer, parts of an hour one by
 * one. Pure.
 */
export function planReads<W extends Span>(windows: readonly W[]): PlannedRead<W>[] {
  const reads: PlannedRead<W>[] = [];
  let hours: PlannedRead<W> | undefined;
  for (const window of windows) {
    if (!isWholeHour(window)) {
      reads.push({ span: { start: window.start, end: window.end }, grouping: undefined, windows: [window] });
    } else if (
      hours !== undefined &&
      window.end.getTime() - hours.span.start.getTime() <= summariesMax * hourMs
    ) {
      hours.span.end = window.end;
      hours.windows.push(window);
    } else {
      hours = { span: { start: window.start, end: window.end }, grouping: "hour", windows: [window] };
      reads.push(hours);
    }
  }
  return reads;
}

function isWholeHour({ start, end }: Span): boolean {
  return start.getTime() % hourMs === 0 && end.getTime() - start.getTime() === hourMs;
}
