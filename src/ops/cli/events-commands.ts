import { type Command, Option } from "commander";
import { z } from "zod";
import { type MeterEventState, meterEventStates } from "../../delivery/meter-event-states.ts";
import { retriedStates } from "../../delivery/retry-rejected.ts";
import { meterNames } from "../../usage/meters.ts";
import { type EventFilter, listEvents } from "./list-events.ts";
import { parseOrganization } from "./organization-argument.ts";
import { parsedBy } from "./parsed-by.ts";
import { type RejectedOptions, retryEvent, retryEvents } from "./retry-events.ts";
import type { Run } from "./run.ts";
import { showEvent } from "./show-event.ts";

const limitMax = 500;
const limitDefault = 50;
const limitSchema = z.coerce
  .number("must be a number")
  .int("must be a whole number")
  .min(1, "must be at least 1")
  .max(limitMax, `must be at most ${limitMax}`);
const parseId = parsedBy(z.uuid("must be a UUID"));

/** Adds `events list`, `show` and `retry`. */
export function addEventsCommands(program: Command, run: Run): void {
  const events = program.command("events").description("meter events: what Stripe receives");
  events
    .command("list")
    .description("list meter events, the newest first")
    .addOption(stateOption(meterEventStates))
    .addOption(organizationOption())
    .addOption(meterOption())
    .option("--limit <count>", `1 to ${limitMax}`, parsedBy(limitSchema), limitDefault)
    .action((filter: EventFilter) => run((tools) => listEvents(tools, filter)));
  events
    .command("show")
    .description("show a meter event with its attempts and entries")
    .argument("<id>", "a UUID, which is Stripe's identifier too", parseId)
    .action((id: string) => run((tools) => showEvent(tools, id)));
  events
    .command("retry")
    .description(
      "give one rejected meter event another try, or make a pending one due now; all of them with --state",
    )
    .argument("[id]", "a UUID", parseId)
    .addOption(stateOption(retriedStates))
    .addOption(organizationOption())
    .addOption(meterOption())
    .action((id: string | undefined, options: RejectedOptions) =>
      run((tools) => (id === undefined ? retryEvents(tools, options) : retryEvent(tools, id, options))),
    );
}

function stateOption(states: readonly MeterEventState[]): Option {
  return new Option("--state <state>", "only those in this state").choices(states);
}

function organizationOption(): Option {
  return new Option("--organization <organization>", "only those of this organization").argParser(
    parseOrganization,
  );
}

function meterOption(): Option {
  return new Option("--meter <meter>", "only those of this meter").choices(meterNames);
}
