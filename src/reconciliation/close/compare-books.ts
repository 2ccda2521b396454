import { sql } from "kysely";
import { readClock } from "../../database/clock.ts";
import type { Db } from "../../database/db.ts";
import { meterNames } from "../../usage/meters.ts";
import { comparePeriod } from "../compare-period.ts";
import { foldWindow, type Window } from "../fold-window.ts";
import type { Result } from "../judge-window.ts";
import type { LookDeps } from "../look.ts";
import { wholeMinutes } from "../windows.ts";
import type { BillingPeriod, PeriodInvoice } from "./billing-periods.ts";
import type { Books } from "./gate-rules.ts";

/** From the best to the worst: a period has the state of its worst meter. */
const ranks = ["equal", "settling", "unknown", "different"] as const;
type Compared = (typeof ranks)[number];

const waitMsMax = 86_400_000;

/**
 * Compares a period with Stripe's sums, meter by meter: the meters that an invoice bills, and those with usage of ours.
 * Stripe is asked only where the last look is not enough any more: something changed since, or the sums were not equal
 * and another look may find them so. The longer a difference stays, the more rarely it is looked at.
 */
export async function compareBooks(
  deps: LookDeps,
  period: BillingPeriod,
  invoices: readonly PeriodInvoice[],
): Promise<Books> {
  const { organizationId, customer } = period;
  let worst: Compared = "equal";
  for (const meter of meterNames) {
    const isInvoiced = invoices.some(({ invoiced }) => invoiced[meter] !== undefined);
    const window = { organizationId, customer, meter, ...wholeMinutes(period) };
    const found = await compareMeter(deps, window, { isInvoiced });
    if (ranks.indexOf(found) > ranks.indexOf(worst)) worst = found;
  }
  return worst;
}

async function compareMeter(
  deps: LookDeps,
  window: Window,
  { isInvoiced }: { isInvoiced: boolean },
): Promise<Compared> {
  const fold = await foldWindow(deps.db, window, { isShadow: deps.isShadow });
  const hasEvents = fold.certainEvents + fold.doubtfulEvents + fold.openEvents > 0;
  if (!hasEvents && !isInvoiced) return "equal";
  const looks = await readLooks(deps.db, window);
  const [last] = looks;
  const ofNow = last?.fingerprint === fold.fingerprint ? last : undefined;
  if (ofNow?.result === "equal") return "equal";
  const now = await readClock(deps.db);
  const isYoung =
    fold.youngestAt !== null && now.getTime() - fold.youngestAt.getTime() < deps.settleSeconds * 1_000;
  if (isYoung) return "settling";
  if (ofNow !== undefined && now.getTime() < nextLookMs(looks, deps.absenceSeconds)) return ofNow.result;
  const comparison = await comparePeriod(deps, window, { cause: "close" });
  return typeof comparison === "string" ? "unknown" : comparison.whole.result;
}

/** Twice as long after the first look as the last one was, an absence's wait at least and a day at most. */
function nextLookMs(looks: readonly PastLook[], absenceSeconds: number): number {
  const [last] = looks;
  if (last === undefined) return 0;
  const same = looks.findLastIndex(({ fingerprint }) => fingerprint === last.fingerprint);
  const seenForMs = last.readAt.getTime() - (looks[same]?.readAt ?? last.readAt).getTime();
  return last.readAt.getTime() + Math.min(Math.max(absenceSeconds * 1_000, seenForMs), waitMsMax);
}

type PastLook = { result: Result; fingerprint: string; readAt: Date };
const looksMax = 20;

/** Looks at the whole window, the latest first. */
async function readLooks(db: Db, window: Window): Promise<PastLook[]> {
  const found = await sql<PastLook>`
    select result, fingerprint, read_at as "readAt"
    from metering.reconciliations
    where organization_id = ${window.organizationId} and meter = ${window.meter}
      and window_end = ${window.end} and window_start = ${window.start}
      and stripe_customer_id = ${window.customer}
    order by read_at desc
    limit ${looksMax}
  `.execute(db);
  return found.rows;
}
