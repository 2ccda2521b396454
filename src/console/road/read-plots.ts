import type { Db } from "../../database/db.ts";
import {
  type FigureSpan,
  figuresUntil,
  isFigureSpan,
  readFigureProgress,
  readFigures,
} from "../../monitoring/figures/read-figures.ts";
import { createSharedRead, type SharedLimits, type SharedRead } from "../shared-read.ts";
import type { Plots } from "./figure-plots.tsx";

/** The span that a URL asks for; another word is the last hour. */
export function spanOf(asked: string | undefined): FigureSpan {
  return asked !== undefined && isFigureSpan(asked) ? asked : "hour";
}

/**
 * Reads how far figures are written, one row, once for all open pages; and the figures themselves when there is a new
 * minute. While the database does not answer, the last ones are given.
 */
export function createPlotReads(db: Db, limits: SharedLimits): (span: FigureSpan) => Promise<Plots> {
  const readProgress = createSharedRead(() => readFigureProgress(db), limits);

  function createReader(span: FigureSpan): SharedRead<Plots> {
    let latest: Plots | undefined;
    return createSharedRead(async () => {
      const { value: progress } = await readProgress();
      const until = figuresUntil(span, progress);
      if (latest?.until.getTime() !== until.getTime())
        latest = { span, until, points: await readFigures(db, span, progress) };
      return latest;
    }, limits);
  }

  const readers = { hour: createReader("hour"), day: createReader("day"), week: createReader("week") };
  return async (span) => (await readers[span]()).value;
}
