import type { CutOver, MeterCut } from "../billing/cut-over.ts";
import type { Sending } from "../monitoring/shadow-mode.ts";
import { textTable } from "./text-table.ts";

export type CutOverReport = {
  cuts: readonly CutOver[];
  totals: readonly MeterCut[];
  isRehearsal: boolean;
  sending: Sending;
};

/** Organizations that were not cut are named up to so many; `--json` has all. */
const namedMax = 20;

/** What a cut-over has done, or would do, for a person. */
export function cutOverText({ cuts, totals, isRehearsal, sending }: CutOverReport): string {
  return [
    describeCuts(cuts, isRehearsal),
    tableOf(totals),
    ...describeUncut(cuts),
    ...describeSent(totals),
    describeWorkers(sending),
  ].join("\n");
}

function describeCuts(cuts: readonly CutOver[], isRehearsal: boolean): string {
  const of = (outcome: CutOver["outcome"]) => cuts.filter((one) => one.outcome === outcome).length;
  const verb = isRehearsal ? "would be cut" : "cut now";
  return `organizations ${verb}: ${of("cut")}; moved: ${of("moved")}; cut before: ${of("kept") + of("sent_since")}`;
}

function tableOf(totals: readonly MeterCut[]): string {
  return textTable(
    ["METER", "EVENTS MARKED", "QUANTITY", "ENTRIES TO COME", "QUANTITY", "SENT ALREADY", "QUANTITY"],
    totals.map((cut) => [
      cut.meter,
      cut.marked,
      cut.markedQuantity,
      cut.unsealed,
      cut.unsealedQuantity,
      cut.sent,
      cut.sentQuantity,
    ]),
  );
}

const uncut: Partial<Record<CutOver["outcome"], string>> = {
  no_period: "no billing period is known, so nothing is cut: all of its usage will be sent",
  period_over: "its billing period has ended and Stripe has told of no later one: run this again then",
  sent_since: "usage after the earlier cut was sent, so the cut stays",
};

function describeUncut(cuts: readonly CutOver[]): string[] {
  const told = cuts.flatMap(({ organizationId, outcome }) => {
    const why = uncut[outcome];
    return why === undefined ? [] : [`${organizationId}: ${why}`];
  });
  if (told.length <= namedMax) return told;
  return [...told.slice(0, namedMax), `and ${told.length - namedMax} more organizations; --json names all`];
}

function describeSent(totals: readonly MeterCut[]): string[] {
  const lines: string[] = [];
  const sum = (of: (one: MeterCut) => number) => totals.reduce((added, one) => added + of(one), 0);
  const [sent, maybe, underWay] = [
    sum((one) => one.sent),
    sum((one) => one.maybeCounted),
    sum((one) => one.underWay),
  ];
  if (sent > 0)
    lines.push(`${sent} meter events from before the cut were sent: they are billed beside the other path's`);
  if (maybe > 0) lines.push(`${maybe} of those marked were attempted, and Stripe may have counted them`);
  if (underWay > 0) lines.push(`${underWay} are being sent now and were left: run this again in 15 minutes`);
  return lines;
}

function describeWorkers({ transports, isShadow }: Sending): string {
  if (transports.length === 0)
    return "workers: none has been seen; what comes after the cut is sent once one runs";
  if (isShadow) {
    return "workers: nothing is sent until DELIVERY_TRANSPORT=none is taken away, which may be before or after the cut";
  }
  return `workers: they send what comes after the cut (DELIVERY_TRANSPORT: ${transports.join(", ")})`;
}
