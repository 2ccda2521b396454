import { Argument, type Command, Option } from "commander";
import { z } from "zod";
import { type MeterEventState, meterEventStates } from "../delivery/meter-event-states.ts";
import { retriedStates } from "../delivery/retry-rejected.ts";
import { type Resolution, resolutions } from "../delivery/resolve.ts";
import { type EventFilter, listEvents } from "./list-events.ts";
import { type MatchOptions, withMatch } from "./match-options.ts";
import { withPages } from "./paging.ts";
import { parsedBy } from "./parsed-by.ts";
import { reasonSchema } from "./reason.ts";
import { resolveEvent, resolveEvents } from "./resolve-event.ts";
import { type RetryOptions, retryEvent, retryEvents } from "./retry-events.ts";
import type { Run } from "./run.ts";
import { showEvent } from "./show-event.ts";

const parseId = parsedBy(z.uuid("must be a UUID"));
const parseIdOrAll = parsedBy(z.union([z.literal("all"), z.uuid()], "must be a UUID, or all"));

/** Adds `events list`, `show`, `retry` and `resolve`. */
export function addEventsCommands(program: Command, run: Run): void {
  const events = program.command("events").description("meter events: what Stripe receives");
  withMatch(withPages(events.command("list")))
    .description("list meter events, the newest first")
    .addOption(stateOption(meterEventStates))
    .action((filter: EventFilter) => run((tools) => listEvents(tools, filter)));
  events
    .command("show")
    .description("show a meter event with its attempts and entries")
    .argument("<id>", "a UUID, which is Stripe's identifier too", parseId)
    .action((id: string) => run((tools) => showEvent(tools, id)));
  withMatch(events.command("retry"))
    .description(
      "give one rejected meter event another try, or make a pending one due now; all of them with --state",
    )
    .argument("[id]", "a UUID", parseId)
    .addOption(stateOption(retriedStates))
    .action((id: string | undefined, options: RetryOptions) =>
      run((tools) => (id === undefined ? retryEvents(tools, options) : retryEvent(tools, id, options))),
    );
  addResolve(events, run);
}

type ResolveOptions = MatchOptions & { reason: string };

function addResolve(events: Command, run: Run): void {
  withMatch(events.command("resolve"))
    .description("end the doubt about a meter event, once you have looked at Stripe's sum")
    .argument("<id>", "a UUID, or `all`: all in doubt that match the options", parseIdOrAll)
    .addArgument(
      new Argument("<resolution>", "not_delivered sends the usage again, under a new identifier").choices(
        resolutions,
      ),
    )
    .requiredOption("--reason <reason>", "why, for whoever looks", parsedBy(reasonSchema))
    .action((id: string, resolution: Resolution["resolution"], options: ResolveOptions) => {
      const { reason, ...match } = options;
      return run((tools) =>
        id === "all"
          ? resolveEvents(tools, match, { resolution, reason })
          : resolveEvent(tools, { id, match }, { resolution, reason }),
      );
    });
}

function stateOption(states: readonly MeterEventState[]): Option {
  return new Option("--state <state>", "only those in this state").choices(states);
}
