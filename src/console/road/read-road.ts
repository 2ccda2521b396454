import { readOutbox } from "../../api/outbox/outbox-answer.ts";
import type { Db } from "../../database/db.ts";
import { countInFlight } from "../../delivery/in-flight.ts";
import { type LatestMinute, readLatestMinute } from "../../monitoring/figures/read-figures.ts";

export type RoadFigures = Awaited<ReturnType<typeof readOutbox>> & { inFlight: number; latest: LatestMinute };

/** All that the living picture of the road shows. */
export async function readRoad(db: Db): Promise<RoadFigures> {
  return { ...(await readOutbox(db)), inFlight: await countInFlight(db), latest: await readLatestMinute(db) };
}
