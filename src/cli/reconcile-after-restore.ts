import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "../database/db.ts";
import { silentLog } from "../log.ts";
import { readBudget } from "../reconciliation/budget.ts";
import {
  reconcileRestored,
  type Restored,
  type RestoreProgress,
} from "../reconciliation/restore/reconcile-restored.ts";
import { createStripeReads } from "../stripe/reads.ts";
import { describeStripeError } from "../stripe/describe-stripe-error.ts";
import type { CliStripeConfig } from "../config.ts";
import { meterEventNames } from "../usage/meters.ts";
import { type CommandTools, connectStripe } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";

/**
 * `reconcile --after-restore`: reads Stripe's sums itself, so that no process need run but a worker that has made pg-boss's
 * queues. Ends when each restored event is resolved or left to people.
 */
export async function reconcileAfterRestore({
  db,
  openBoss,
  readStripeConfig,
  tellProgress,
}: CommandTools): Promise<Outcome> {
  const config = readStripeConfig();
  try {
    const restored = await reconcileRestored({
      db,
      boss: await openBoss(),
      log: silentLog,
      ...(await openReads(db, config)),
      wait: (ms) => sleep(ms),
      tell: (progress) => tellProgress(describeProgress(progress)),
    });
    return outcomeOf(restored);
  } catch (error) {
    const reason = describeStripeError(error);
    if (reason === undefined) throw error;
    return { kind: "failed", message: `${reason}; what was found is kept: run it again` };
  }
}

async function openReads(db: Db, config: CliStripeConfig) {
  return {
    reads: createStripeReads(connectStripe(config), config.STRIPE_SECRET_KEY),
    eventNames: meterEventNames(config),
    budget: await readBudget(db, config.RECONCILE_READS_PER_DAY),
    settleSeconds: config.RECONCILE_SETTLE_SECONDS,
    absenceSeconds: config.RECONCILE_ABSENCE_SECONDS,
  };
}

function describeProgress(progress: RestoreProgress): string {
  switch (progress.kind) {
    case "sealed":
      return `sealed ${progress.entries} entries as ${progress.events} meter events; nothing is sent`;
    case "doubted":
      return `${progress.events} meter events may have been sent by the lost database`;
    case "waiting":
      return `${progress.events} are absent from Stripe's sums so far; a second look must agree`;
  }
}

const fates: Record<string, string> = {
  delivered: "Stripe has it: recorded as delivered",
  superseded: "Stripe lacks it: sent again once sending goes on",
  expired: "Stripe lacks it, and would refuse its age",
  rejected: "Stripe reported it as failed",
  in_doubt: "left in doubt: see events list --state in_doubt",
};

function outcomeOf({ states, unclear, isPaused }: Restored): Outcome {
  const lines = states.map(
    ({ state, events, quantity }) => `${state}: ${events} events, ${quantity} (${fates[state] ?? state})`,
  );
  const next = isPaused ? "sending is paused still: resume ends that" : "sending goes on";
  return {
    kind: unclear > 0 ? "alarming" : "done",
    document: { states, unclear, paused: isPaused },
    text: [...lines, next].join("\n"),
  };
}
