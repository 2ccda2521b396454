import { readOutbox } from "../../api/outbox/outbox-answer.ts";
import type { Db } from "../../database/db.ts";
import { countInFlight } from "../../delivery/in-flight.ts";

export type RoadFigures = Awaited<ReturnType<typeof readOutbox>> & { inFlight: number };

/** All that the living picture of the road shows. */
export async function readRoad(db: Db): Promise<RoadFigures> {
  return { ...(await readOutbox(db)), inFlight: await countInFlight(db) };
}
