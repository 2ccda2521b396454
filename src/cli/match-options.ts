import { type Command, Option } from "commander";
import { wordsCharsMax } from "../api/meter-events/meter-event-match.ts";
import { z } from "zod";
import type { Db } from "../database/db.ts";
import type { MeterEventMatch } from "../delivery/match-meter-events.ts";
import { instantSchema } from "../http/instant.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import { findOrganization, parseOrganization } from "./organization-argument.ts";
import { parsedBy } from "./parsed-by.ts";

/** What narrows a list of meter events, and an action on all that match. */
export type MatchOptions = {
  organization?: string;
  meter?: MeterName;
  from?: Date;
  to?: Date;
  words?: string;
};

const wordsSchema = z.string().trim().min(1, "must say something").max(wordsCharsMax);

/** Adds the options to a command. */
export function withMatch(command: Command): Command {
  return command
    .addOption(
      new Option("--organization <organization>", "only those of this organization").argParser(
        parseOrganization,
      ),
    )
    .addOption(new Option("--meter <meter>", "only those of this meter").choices(meterNames))
    .option("--from <time>", "RFC 3339; only usage of hours from this time on", parsedBy<Date>(instantSchema))
    .option("--to <time>", "RFC 3339; only usage of hours before this time", parsedBy<Date>(instantSchema))
    .option(
      "--words <words>",
      "only those whose reason, or Stripe's words, have these words in them; none that is plainly delivered",
      parsedBy(wordsSchema),
    );
}

/** Reads them for the database; undefined when there is no such organization. */
export async function readMatch(
  db: Db,
  { organization, meter, from, to, words }: MatchOptions,
): Promise<Omit<MeterEventMatch, "state"> | undefined> {
  const organizationId = organization && (await findOrganization(db, organization));
  if (organization !== undefined && organizationId === undefined) return undefined;
  return { organizationId, meter, hourFrom: from, hourTo: to, words };
}
