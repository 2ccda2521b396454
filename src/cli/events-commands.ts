import { Argument, type Command, Option } from "commander";
import { z } from "zod";
import { type MeterEventState, meterEventStates } from "../delivery/meter-event-states.ts";
import { retriedStates } from "../delivery/retry-rejected.ts";
import { type Resolution, resolutions } from "../delivery/resolve.ts";
import { meterNames } from "../usage/meters.ts";
import { type EventFilter, listEvents } from "./list-events.ts";
import { parseOrganization } from "./organization-argument.ts";
import { withPages } from "./paging.ts";
import { parsedBy } from "./parsed-by.ts";
import { reasonSchema } from "./reason.ts";
import { resolveEvent } from "./resolve-event.ts";
import { type RejectedOptions, retryEvent, retryEvents } from "./retry-events.ts";
import type { Run } from "./run.ts";
import { showEvent } from "./show-event.ts";

const parseId = parsedBy(z.uuid("must be a UUID"));

/** Adds `events list`, `show`, `retry` and `resolve`. */
export function addEventsCommands(program: Command, run: Run): void {
  const events = program.command("events").description("meter events: what Stripe receives");
  withPages(events.command("list"))
    .description("list meter events, the newest first")
    .addOption(stateOption(meterEventStates))
    .addOption(organizationOption())
    .addOption(meterOption())
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
  addResolve(events, run);
}

function addResolve(events: Command, run: Run): void {
  events
    .command("resolve")
    .description("end the doubt about a meter event, once you have looked at Stripe's sum")
    .argument("<id>", "a UUID", parseId)
    .addArgument(
      new Argument("<resolution>", "not_delivered sends the usage again, under a new identifier").choices(
        resolutions,
      ),
    )
    .requiredOption("--reason <reason>", "why, for whoever looks", parsedBy(reasonSchema))
    .action((id: string, resolution: Resolution["resolution"], { reason }: { reason: string }) =>
      run((tools) => resolveEvent(tools, id, { resolution, reason })),
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
