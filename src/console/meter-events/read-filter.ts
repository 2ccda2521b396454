import { z } from "zod";
import { wordsCharsMax } from "../../api/meter-events/meter-event-match.ts";
import type { Db } from "../../database/db.ts";
import type { MeterEventMatch } from "../../delivery/match-meter-events.ts";
import { meterEventStates } from "../../delivery/meter-event-states.ts";
import { invalidRequest } from "../../http/input-errors.ts";
import { instantSchema } from "../../http/instant.ts";
import { organizationIdOf, organizationReferenceSchema } from "../../http/organization-reference.ts";
import { meterNames } from "../../usage/meters.ts";

const empty = z.literal("").transform(() => undefined);
/** As a browser's field for a time sends it, and in UTC. */
const hour = z.iso
  .datetime({ local: true, precision: -1, error: "must be a time as 2026-11-22T10:00, in UTC" })
  .transform((text) => `${text}:00Z`)
  .pipe(instantSchema);

const querySchema = z.object({
  state: z.enum(meterEventStates).or(empty).optional(),
  meter: z.enum(meterNames).or(empty).optional(),
  organization: organizationReferenceSchema.or(empty).optional(),
  from: hour.or(empty).optional(),
  to: hour.or(empty).optional(),
  words: z.string().trim().max(wordsCharsMax).optional(),
});

/** What the form was filled with, as it was; and what the list is narrowed to by it. */
export type Narrowed = {
  fields: Record<keyof z.infer<typeof querySchema>, string | undefined>;
  by: MeterEventMatch;
};

/** Reads the filters of the list. Throws the 400 for one that is none, and the 404 for an unknown external id. */
export async function readFilter(db: Db, query: Record<string, string>): Promise<Narrowed> {
  const parsed = querySchema.safeParse(query);
  if (!parsed.success) throw invalidRequest("query", parsed.error.issues);
  const { organization, words, from: hourFrom, to: hourTo, ...rest } = parsed.data;
  const organizationId = organization === undefined ? undefined : await organizationIdOf(db, organization);
  const { state, meter, from, to } = query;
  return {
    fields: { state, meter, organization, from, to, words },
    by: { ...rest, hourFrom, hourTo, words: words === "" ? undefined : words, organizationId },
  };
}
