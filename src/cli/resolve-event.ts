import { actAs } from "../actions/operator-actions.ts";
import { actionOnAll } from "../delivery/match-meter-events.ts";
import { findMeterEvent } from "../delivery/meter-events.ts";
import { type Resolution, resolvedMax, resolveMeterEvent, resolveMeterEvents } from "../delivery/resolve.ts";
import { renderResolved } from "../api/meter-events/meter-event-answer.ts";
import { explainMeterEvent } from "../api/meter-events/explain-meter-event.ts";
import { describeEvidence } from "../reconciliation/doubt/evidence.ts";
import type { CommandTools } from "./command-tools.ts";
import { type MatchOptions, readMatch } from "./match-options.ts";
import { noSuchOrganization } from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";

/** Ends the doubt about a meter event; the document is that of `POST /v1/meter-events/{id}/resolve`. */
export async function resolveEvent(
  tools: CommandTools,
  { id, match }: { id: string; match: MatchOptions },
  resolution: Resolution,
): Promise<Outcome> {
  if (Object.keys(match).length > 0)
    return { kind: "wrong_usage", message: "name either a meter event, or all with its filters" };
  const boss = await tools.openBoss();
  const resolved = await actAs(
    tools,
    (trx) => resolveMeterEvent({ db: trx, boss }, id, resolution),
    (done) =>
      done === undefined ? undefined : { action: "resolve_meter_event", subject: id, ...resolution },
  );
  if (resolved !== undefined) {
    const { state, replacedBy } = resolved;
    const evidence = (await explainMeterEvent(tools.db, id))?.evidence;
    const now = replacedBy === null ? `it is ${state} now` : `it is ${state} now; ${replacedBy} replaces it`;
    const text = evidence === undefined ? now : `${now}\n${describeEvidence(evidence)}`;
    return { kind: "done", document: renderResolved(id, resolved, evidence), text };
  }
  const event = await findMeterEvent(tools.db, id);
  if (event === undefined) return { kind: "failed", message: "there is no such meter event" };
  return {
    kind: "failed",
    message: `the meter event is ${event.state}; only one in doubt can be resolved`,
  };
}

/** The same for all in doubt that match; the document is that of `POST /v1/meter-events/resolve`. */
export async function resolveEvents(
  tools: CommandTools,
  options: MatchOptions,
  resolution: Resolution,
): Promise<Outcome> {
  const match = await readMatch(tools.db, options);
  if (match === undefined) return noSuchOrganization;
  const boss = await tools.openBoss();
  const done = await actAs(
    tools,
    (trx) => resolveMeterEvents({ db: trx, boss }, match, resolution),
    ({ resolved: affected }) =>
      actionOnAll(
        "resolve_meter_event",
        { ...match, state: "in_doubt" },
        { affected, reason: resolution.reason },
      ),
  );
  const { resolved, replaced } = done;
  const rest = resolved === resolvedMax ? "; repeat the command for the rest" : "";
  const text = `${resolved} are in doubt no more, ${replaced} new events send usage again${rest}`;
  return { kind: "done", document: done, text };
}
