import { actAs } from "../actions/operator-actions.ts";
import { actionOnAll } from "../delivery/match-meter-events.ts";
import { findMeterEvent } from "../delivery/meter-events.ts";
import {
  retriedMax,
  retriedStates,
  type RetriedState,
  retryMeterEvents,
} from "../delivery/retry-rejected.ts";
import type { CommandTools } from "./command-tools.ts";
import { type MatchOptions, readMatch } from "./match-options.ts";
import { noSuchOrganization } from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";

export type RetryOptions = MatchOptions & { state?: RetriedState };

/** Gives one rejected meter event another try, or makes a pending one due now. */
export async function retryEvent(tools: CommandTools, id: string, options: RetryOptions): Promise<Outcome> {
  if (Object.keys(options).length > 0) {
    return { kind: "wrong_usage", message: "name either a meter event or --state with its filters" };
  }
  const boss = await tools.openBoss();
  for (const state of retriedStates) {
    const retried = await actAs(
      tools,
      (trx) => retryMeterEvents({ db: trx, boss }, { id, state }),
      (affected) => (affected === 0 ? undefined : { action: "retry_meter_events", subject: id, affected }),
    );
    if (retried > 0) return { kind: "done", document: { retried }, text: "it will be attempted again" };
  }
  const event = await findMeterEvent(tools.db, id);
  if (event === undefined) return { kind: "failed", message: "there is no such meter event" };
  const message = `the meter event is ${event.state}; only a rejected or a pending one can be retried`;
  return { kind: "failed", message };
}

/** Gives all rejected meter events that match another try, or makes all pending ones due now. */
export async function retryEvents(
  tools: CommandTools,
  { state, ...options }: RetryOptions,
): Promise<Outcome> {
  // Must be asked for in full, so that a forgotten id does not retry everything.
  if (state === undefined)
    return { kind: "wrong_usage", message: "name a meter event, or --state rejected or pending" };
  const match = await readMatch(tools.db, options);
  if (match === undefined) return noSuchOrganization;
  const boss = await tools.openBoss();
  const retried = await actAs(
    tools,
    (trx) => retryMeterEvents({ db: trx, boss }, { ...match, state }),
    (affected) => actionOnAll("retry_meter_events", { ...match, state }, { affected }),
  );
  const isFull = retried === retriedMax;
  const text = `${retried} will be attempted again${isFull ? "; repeat the command for the rest" : ""}`;
  return { kind: "done", document: { retried }, text };
}
