import { actAs } from "../actions/operator-actions.ts";
import { findMeterEvent } from "../delivery/meter-events.ts";
import { type Resolution, resolveMeterEvent } from "../delivery/resolve.ts";
import { renderResolved } from "../api/meter-events/meter-event-answer.ts";
import { explainMeterEvent } from "../api/meter-events/explain-meter-event.ts";
import { describeEvidence } from "../reconciliation/doubt/evidence.ts";
import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";

/** Ends the doubt about a meter event; the document is that of `POST /v1/meter-events/{id}/resolve`. */
export async function resolveEvent(
  tools: CommandTools,
  id: string,
  resolution: Resolution,
): Promise<Outcome> {
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
