import { sql } from "kysely";
import { byIndex } from "../../database/one-plan.ts";
import type { Db } from "../../database/db.ts";
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

function isFigureSpan(value: string): value is FigureSpan {
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

/** The figures of the span that ends with the latest ones. */
export async function readFigures(
  db: Db,
  span: FigureSpan,
  { writtenUntil, finalUntil }: FigureProgress,
): Promise<FigurePoint[]> {
  const { of, stepSeconds, steps } = spans[span];
  const stepMs = stepSeconds * 1_000;
  // An hour is folded when all of it is final; a step of minutes is shown while it goes on.
  const end =
    of === "hour"
      ? Math.floor(finalUntil.getTime() / stepMs) * stepMs
      : Math.ceil(writtenUntil.getTime() / stepMs) * stepMs;
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
