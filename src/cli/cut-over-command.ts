import type { Command } from "commander";
import { z } from "zod";
import { type CutAt, type CutOver, cutOver, type MeterCut } from "../billing/cut-over.ts";
import { readSending } from "../monitoring/shadow-mode.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import type { CommandTools } from "./command-tools.ts";
import { cutOverText } from "./cut-over-text.ts";
import { onOrganization, organizationHelp, parseOrganization } from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";
import { parsedBy } from "./parsed-by.ts";
import type { Run } from "./run.ts";

const cutAtSchema = z.union(
  [z.literal("period-end"), z.iso.datetime({ offset: true }).transform((time) => new Date(time))],
  { error: "must be period-end or an RFC 3339 time" },
);

type CutOverArguments = { at: CutAt; organization?: string; dryRun?: boolean; move?: boolean };

/** Adds `cut-over`. */
export function addCutOverCommand(program: Command, run: Run): void {
  program
    .command("cut-over")
    .description(
      "after shadow mode: mark usage up to a time as billed by another path, so that it is never sent; later usage is",
    )
    .requiredOption(
      "--at <time>",
      "period-end: where each organization's billing period ends; or RFC 3339",
      parsedBy(cutAtSchema),
    )
    .option("--organization <organization>", `only this one: ${organizationHelp}`, parseOrganization)
    .option("--dry-run", "tell what it would do, in numbers, and change nothing")
    .option("--move", "move an earlier cut to this later time, as long as nothing between them was sent")
    .action((options: CutOverArguments) =>
      run((tools) =>
        options.organization === undefined
          ? cut(tools, options, undefined)
          : onOrganization(tools.db, options.organization, (id) => cut(tools, options, id)),
      ),
    );
}

async function cut(
  { db }: CommandTools,
  { at, dryRun: isRehearsal = false, move: mayMove = false }: CutOverArguments,
  organizationId: string | undefined,
): Promise<Outcome> {
  const cuts = await cutOver(db, { at, organizationId, isRehearsal, mayMove });
  const sending = await readSending(db);
  const totals = meterNames.map((meter) => totalOf(cuts, meter));
  const document = {
    dry_run: isRehearsal,
    organizations: cuts.map(documentOf),
    totals: totals.map(documentOfMeter),
    workers: { transports: sending.transports },
  };
  const text = cutOverText({ cuts, totals, isRehearsal, sending });
  const isDone =
    cuts.some(({ cutAt }) => cutAt !== null) &&
    totals.every(({ underWay }) => underWay === 0) &&
    cuts.every(
      ({ outcome, cutAt }) => outcome !== "sent_since" && (cutAt !== null || organizationId === undefined),
    );
  return { kind: isDone ? "done" : "alarming", document, text };
}

function totalOf(cuts: readonly CutOver[], meter: MeterName): MeterCut {
  const its = cuts.flatMap(({ meters }) => meters.filter((one) => one.meter === meter));
  const count = (of: (one: MeterCut) => number) => its.reduce((sum, one) => sum + of(one), 0);
  const add = (of: (one: MeterCut) => string) => String(its.reduce((sum, one) => sum + BigInt(of(one)), 0n));
  return {
    meter,
    marked: count((one) => one.marked),
    markedQuantity: add((one) => one.markedQuantity),
    maybeCounted: count((one) => one.maybeCounted),
    underWay: count((one) => one.underWay),
    unsealed: count((one) => one.unsealed),
    unsealedQuantity: add((one) => one.unsealedQuantity),
    sent: count((one) => one.sent),
    sentQuantity: add((one) => one.sentQuantity),
  };
}

function documentOf({ organizationId, outcome, cutAt, meters }: CutOver) {
  return {
    organization_id: organizationId,
    outcome,
    cut_at: cutAt?.toISOString() ?? null,
    meters: meters.map(documentOfMeter),
  };
}

function documentOfMeter(its: MeterCut) {
  return {
    meter: its.meter,
    marked: { count: its.marked, quantity: its.markedQuantity, maybe_counted: its.maybeCounted },
    under_way: its.underWay,
    unsealed: { entries: its.unsealed, quantity: its.unsealedQuantity },
    sent_already: { count: its.sent, quantity: its.sentQuantity },
  };
}
