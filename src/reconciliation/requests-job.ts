import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import { reconcileRequestPayload, reconcileRequestQueue } from "../queue/queues.ts";
import { workEachJob } from "../queue/work-queue.ts";
import { describeStripeError } from "../stripe/describe-stripe-error.ts";
import { meterNames } from "../usage/meters.ts";
import { readBudget } from "./budget.ts";
import { comparePeriod } from "./compare-period.ts";
import { type ComparedWindows, renderLook } from "./compared-windows.ts";
import type { LookDeps } from "./look.ts";
import type { Look } from "./looks.ts";
import type { ReconcileDeps, ReconcileSettings } from "./reconcile-deps.ts";
import {
  endRequest,
  findWaitingRequest,
  listForgottenRequests,
  purgeRequests,
  type ReconcileRequest,
} from "./requests.ts";
import { tellDifferences } from "./routine.ts";
import { findCustomers } from "./subject-customers.ts";
import { overlap, type Span } from "./windows.ts";

const pollSeconds = 0.5;
const requestsAtOnce = 4;
const keptDays = 7;

/** Works the requests of operators, beside the job that runs every minute: a person waits for each. */
export async function workReconcileRequests(deps: ReconcileDeps, settings: ReconcileSettings): Promise<void> {
  const options = { queue: reconcileRequestQueue.name, pollingIntervalSeconds: pollSeconds };
  await workEachJob(deps, { ...options, batchSize: requestsAtOnce }, async ({ data }) => {
    const { organizationId, requestId: id } = reconcileRequestPayload.parse(data);
    const request = await findWaitingRequest(deps.db, { organizationId, id });
    if (request === undefined) return;
    const budget = await readBudget(deps.db, settings.readsPerDay);
    await answerRequest({ ...deps, ...settings, budget }, request);
  });
}

/** Reminds of requests whose job is lost, and forgets those that were answered a while ago. */
export async function remindOfRequests({ db, boss }: { db: Db; boss: PgBoss }): Promise<void> {
  const { requests, faults } = await listForgottenRequests(db);
  for (const { organizationId, id } of requests) {
    await boss.send(reconcileRequestQueue.name, { organizationId, requestId: id }, { singletonKey: id });
  }
  await purgeRequests(db, { keptDays });
  if (faults.length > 0) throw faults[0];
}

type AnswerDeps = LookDeps & { log: Log };

/** Stripe has no meter of this name, so it has no sum either. */
class MeterMissing extends Error {}

/**
 * Compares the requested windows, and writes the answer down. When Stripe gives none, or lacks a meter, that is the answer. The
 * meters are read anew: one may have been made since they were read.
 */
async function answerRequest(deps: AnswerDeps, request: ReconcileRequest): Promise<void> {
  deps.reads.meters.forget();
  try {
    await endRequest(deps.db, request, { answer: await compareAll(deps, request) });
  } catch (error) {
    const reason = error instanceof MeterMissing ? error.message : describeStripeError(error);
    if (reason === undefined) throw error;
    await endRequest(deps.db, request, { error: reason });
  }
}

async function compareAll(deps: AnswerDeps, request: ReconcileRequest): Promise<ComparedWindows> {
  const { organizationId, start, end, cause } = request;
  const compared: ComparedWindows = { windows: [], reads: 0 };
  for (const meter of meterNames) {
    for (const customer of await findCustomers(deps.db, { organizationId, meter, start, end })) {
      const window = { organizationId, customer, meter, start, end };
      const comparison = await comparePeriod(deps, window, { cause });
      if (comparison === "no_meter") {
        throw new MeterMissing(`Stripe has no meter with the event name ${deps.eventNames[meter]}`);
      }
      if (comparison === "put_off") continue;
      const looks = [comparison.whole, ...comparison.parts.filter((part) => isTold(part, window))];
      tellDifferences(deps.log, looks);
      compared.reads += comparison.reads;
      for (const look of looks) compared.windows.push(await renderLook(deps.db, look));
    }
  }
  return compared;
}

/** An equal part is not listed, and an hour that belongs to the neighbouring period, too, is listed as its own part. */
function isTold(part: Look, window: Span): boolean {
  const inside = overlap(part, window);
  const isInside = inside !== undefined && inside.start >= part.start && inside.end <= part.end;
  const isWhole =
    isInside && inside.end.getTime() - inside.start.getTime() === part.end.getTime() - part.start.getTime();
  return isWhole && part.result !== "equal";
}
