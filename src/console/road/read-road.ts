import { type Outbox, readOutboxAround } from "../../api/outbox/outbox-answer.ts";
import type { Db } from "../../database/db.ts";
import { countInFlight } from "../../delivery/in-flight.ts";
import { reportUnsealed } from "../../outbox/report.ts";
import { type LatestMinute, readLatestMinute } from "../../monitoring/figures/read-figures.ts";

export type RoadFigures = Outbox & {
  /** When the oldest entry came that waits for the seal, and not for a customer. */
  oldestDueAt: Date | null;
  inFlight: number;
  latest: LatestMinute;
};

/** All that the living picture of the road shows. */
export async function readRoad(db: Db): Promise<RoadFigures> {
  const unsealed = await reportUnsealed(db);
  return {
    ...(await readOutboxAround(db, unsealed)),
    oldestDueAt: unsealed.oldestDueAt,
    inFlight: await countInFlight(db),
    latest: await readLatestMinute(db),
  };
}
