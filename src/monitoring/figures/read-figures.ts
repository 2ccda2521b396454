import { sql } from "kysely";
import { byIndex } from "../../database/one-plan.ts";
import type { Db } from "../../database/db.ts";
import type { MeterName } from "../../usage/meters.ts";
import { liveSeconds } from "../seen-processes.ts";
import { type FigurePoint, figurePoints, type FigureRow } from "./figure-points.ts";
import { foldedFigures } from "./folded.ts";

/** How long plots look back, and in which steps. */
const spans = {
  hour: { of: "minute", stepSeconds: 60, steps: 60 },
  day: { of: "minute", stepSeconds: 600, steps: 144 },
  week: { of: "hour", stepSeconds: 3_600, steps: 168 },
} as const;

export type FigureSpan = keyof typeof spans;
export const figureSpans = Object.keys(spans).filter(isFigureSpan);

export function isFigureSpan(value: string): value is FigureSpan {
  return Object.hasOwn(spans, value);
}

/** The end of the latest minute whose figures stand, and of those that do not change any more. */
export type FigureProgress = { writtenUntil: Date; finalUntil: Date };

export async function readFigureProgress(db: Db): Promise<FigureProgress> {
  return db
    .selectFrom("figure_progress")
    .select(["written_until as writtenUntil", "final_until as finalUntil"])
    .executeTakeFirstOrThrow();
}

/** Until when the figures of a span stand: an hour is folded when all of it is final. */
export function figuresUntil(span: FigureSpan, { writtenUntil, finalUntil }: FigureProgress): Date {
  const { of, stepSeconds } = spans[span];
  const stepMs = stepSeconds * 1_000;
  return of === "hour" ? new Date(Math.floor(finalUntil.getTime() / stepMs) * stepMs) : writtenUntil;
}

/** The figures of the span that ends with the latest ones. */
export async function readFigures(
  db: Db,
  span: FigureSpan,
  progress: FigureProgress,
): Promise<FigurePoint[]> {
  const { of, stepSeconds, steps } = spans[span];
  const stepMs = stepSeconds * 1_000;
  // A step of minutes is shown while it goes on.
  const end = Math.ceil(figuresUntil(span, progress).getTime() / stepMs) * stepMs;
  const [from, to] = [new Date(end - steps * stepMs), new Date(end)];
  const read = await byIndex(db, (trx) =>
    sql<FigureRow>`
      select
        at, meter, minutes::integer as minutes, quantity::float8 as quantity, delivered::float8 as delivered,
        rejected::float8 as rejected, retried::float8 as retried, unanswered::float8 as unanswered, latencies,
        unsealed_seconds as "unsealedSeconds", pending_seconds as "pendingSeconds"
      from ${foldedFigures({ of, from, to, stepSeconds })} figures
    `.execute(trx),
  );
  return figurePoints(read.rows, { from, stepSeconds, steps });
}

/** What went by in the latest minute that was written; null: it ended more than two minutes ago. */
export type LatestMinute = {
  endsAt: Date;
  taken: Partial<Record<MeterName, number>>;
  delivered: number;
} | null;

export async function readLatestMinute(db: Db): Promise<LatestMinute> {
  const { rows } = await sql<{ endsAt: Date; meter: string; quantity: number; delivered: number }>`
    select
      p.written_until as "endsAt", f.meter, f.quantity::float8 as quantity, f.delivered::float8 as delivered
    from metering.figure_progress p
    join metering.minute_figures f on f.minute = p.written_until - interval '1 minute'
    where p.written_until > now() - interval '2 minutes 30 seconds'
  `.execute(db);
  const [first] = rows;
  if (first === undefined) return null;
  return {
    endsAt: first.endsAt,
    taken: Object.fromEntries(rows.map(({ meter, quantity }) => [meter, quantity])),
    delivered: rows.reduce((sum, { delivered }) => sum + delivered, 0),
  };
}

/** For how long a worker has run and written no figures; 0 while none runs. */
export async function readFigureDelay(db: Db): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    select coalesce(extract(epoch from now() - greatest(min(w.started_at), max(p.written_until))), 0)::float8 as seconds
    from metering.figure_progress p
    cross join metering.processes w
    where w.kind = 'worker' and w.stopped_at is null and w.seen_at > now() - make_interval(secs => ${liveSeconds})
  `.execute(db);
  return Math.max(0, rows[0]?.seconds ?? 0);
}
