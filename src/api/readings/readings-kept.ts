import { z } from "@hono/zod-openapi";
import { readKeptFrom } from "../../database/retention.ts";
import type { Db } from "../../database/db.ts";

/** What a list of readings says about dropped readings. */
export const readingsKept = {
  readings_kept_from: z.iso.datetime().nullable().openapi({
    description:
      "readings of before this may be missing, as months are not kept for ever; null: all are kept",
  }),
};

export async function tellReadingsKept(db: Db): Promise<{ readings_kept_from: string | null }> {
  const keptFrom = await readKeptFrom(db, "readings");
  return { readings_kept_from: keptFrom?.toISOString() ?? null };
}
