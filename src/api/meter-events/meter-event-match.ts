import { z } from "@hono/zod-openapi";
import type { Db } from "../../database/db.ts";
import type { MeterEventMatch } from "../../delivery/match-meter-events.ts";
import { instantSchema } from "../../http/instant.ts";
import { organizationIdOf, organizationReferenceSchema } from "../../http/organization-reference.ts";
import { meterNames } from "../../usage/meters.ts";

export const wordsCharsMax = 200;

/** What narrows a list of meter events, and an action on all that match, besides their state. */
export const matchShape = {
  organization_id: organizationReferenceSchema.optional(),
  meter: z.enum(meterNames).optional(),
  from: instantSchema.optional().openapi({ description: "only usage of hours from this time on" }),
  to: instantSchema.optional().openapi({ description: "only usage of hours before this time" }),
  words: z.string().trim().min(1).max(wordsCharsMax).optional().openapi({
    description:
      "only those whose reason, or Stripe's words, have these words in them, in any case; none that is plainly delivered",
  }),
};
const matchSchema = z.object(matchShape);

/**
 * Reads it for the database. An external id that no organization has is probably a typing error, so the answer is 404.
 */
export async function matchOf(
  db: Db,
  { organization_id: reference, meter, from, to, words }: z.infer<typeof matchSchema>,
): Promise<Omit<MeterEventMatch, "state">> {
  const organizationId = reference === undefined ? undefined : await organizationIdOf(db, reference);
  return { organizationId, meter, hourFrom: from, hourTo: to, words };
}
