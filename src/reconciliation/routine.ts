import type { PeriodKey } from "../billing/make-period.ts";
import { isNodeAway } from "../database/database-unavailable.ts";
import type { Log } from "../log.ts";
import { describeRefusal } from "../stripe/describe-stripe-error.ts";
import { meterNames } from "../usage/meters.ts";
import { notePutOff } from "./budget.ts";
import { comparePeriod } from "./compare-period.ts";
import type { Window } from "./fold-window.ts";
import { findFirstLooks, lookAgain } from "./look-again.ts";
import type { LookDeps, NoLook } from "./look.ts";
import type { Look } from "./looks.ts";
import {
  countDue,
  findSettled,
  listDueRunning,
  openCalendarMonths,
  putOff,
  type RunningPeriod,
  takeRunningPeriod,
} from "./running-periods.ts";
import { wholeMinutes } from "./windows.ts";

export type RoutineDeps = LookDeps & { log: Log };

const daySeconds = 86_400;
/** A period is due again after this long when its worker did not finish it. */
const leaseSeconds = 600;
/** Running for longer would keep the next minute's doubt and closing periods waiting. */
const runMsMax = 40_000;

/**
 * Compares running periods that are due: each once a day, as far as the budget goes, and those that were short an hour ago
 * once more. The one that has waited longest comes first, so each has its turn. Throws, after all, why organizations of a
 * cluster are left out.
 */
export async function compareRunningPeriods(deps: RoutineDeps): Promise<void> {
  const { db } = deps;
  const unopened = await openCalendarMonths(db);
  const { found, faults } = await listDueRunning(db);
  const uncompared = await compareInTurn(deps, found);
  const [fault] = [...unopened, ...faults, ...uncompared];
  if (fault !== undefined) throw fault;
}

/** Returns why periods are left out of which a node of a cluster has something, such as what the customer paid for before. */
async function compareInTurn(deps: RoutineDeps, due: readonly PeriodKey[]): Promise<unknown[]> {
  const { db } = deps;
  const faults: unknown[] = [];
  const endsAtMs = performance.now() + runMsMax;
  for (const next of due) {
    if (performance.now() >= endsAtMs) break;
    try {
      const period = await takeRunningPeriod(db, next, { leaseSeconds });
      if (period === undefined) continue;
      const outcome = await comparePeriodOf(deps, period);
      await putOff(db, period, outcome === "put_off" ? 0 : outcome.againInSeconds);
      if (outcome !== "put_off") continue;
      await tellPutOff(deps);
      break;
    } catch (error) {
      if (!isNodeAway(error)) throw error;
      faults.push(error);
    }
  }
  return faults;
}

type Outcome = "put_off" | { againInSeconds: number };

async function comparePeriodOf(deps: RoutineDeps, period: RunningPeriod): Promise<Outcome> {
  let againInSeconds = daySeconds;
  for (const meter of meterNames) {
    const { until, customers } = await findSettled(deps.db, period, {
      meter,
      settleSeconds: deps.settleSeconds,
    });
    const { start } = wholeMinutes(period);
    if (until <= start) continue;
    for (const customer of customers) {
      const window = { organizationId: period.organizationId, customer, meter, start, end: until };
      const compared = await compareOrTell(deps, window);
      if (compared === "put_off") return "put_off";
      if (compared === "first_look") againInSeconds = Math.min(againInSeconds, deps.absenceSeconds + 1);
    }
  }
  return { againInSeconds };
}

/** An error of Stripe's about one customer stops no other; an error that stops every read is thrown. */
async function compareOrTell(deps: RoutineDeps, window: Window): Promise<"put_off" | "first_look" | "done"> {
  try {
    const looks = await compareOnce(deps, window);
    if (looks === "put_off") return "put_off";
    if (looks === "no_meter") return "done";
    tellDifferences(deps.log, looks);
    return looks.some(({ reason }) => reason === "first_look") ? "first_look" : "done";
  } catch (error) {
    const reason = describeRefusal(error);
    if (reason === undefined) throw error;
    const { organizationId, customer, meter } = window;
    const fields = { organization_id: organizationId, stripe_customer_id: customer, meter };
    deps.log.warn({ event: "reconcile_read_refused", ...fields, reason });
    return "done";
  }
}

/** A part that was short an hour ago is looked at alone: the whole period would cost more reads and say less. */
async function compareOnce(deps: RoutineDeps, window: Window): Promise<Look[] | NoLook> {
  const first = await findFirstLooks(deps.db, window);
  if (first.length > 0) return lookAgain(deps, window, { cause: "routine", windows: first });
  const compared = await comparePeriod(deps, window, { cause: "routine" });
  return typeof compared === "string" ? compared : [compared.whole, ...compared.parts];
}

/** One line for each window that differs, the widest first. */
export function tellDifferences(log: Log, looks: readonly Look[]): void {
  for (const look of looks.filter(({ result }) => result === "different")) {
    log.warn({
      event: "sums_differ",
      organization_id: look.organizationId,
      stripe_customer_id: look.customer,
      meter: look.meter,
      window_start: look.start.toISOString(),
      window_end: look.end.toISOString(),
      ours: look.ours,
      theirs: look.theirs,
    });
  }
}

async function tellPutOff({ db, log }: RoutineDeps): Promise<void> {
  const customers = await countDue(db);
  const isFirst = await notePutOff(db, customers);
  if (isFirst) log.info({ event: "reconcile_put_off", customers });
}
