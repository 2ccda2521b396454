import type { Db } from "../../database/db.ts";
import { readFigureDelay } from "../figures/read-figures.ts";
import type { Sample } from "./database-gauges.ts";

/** How long ago the latest minute ended whose figures a worker that runs has written. */
export async function readFigureGauges(db: Db): Promise<Sample[]> {
  return [{ name: "meter_outbox_figures_age_seconds", value: await readFigureDelay(db) }];
}
