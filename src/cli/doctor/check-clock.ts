import { type Finding, ok, problem, unchecked } from "../../monitoring/checks/finding.ts";

/**
 * Stripe refuses usage that is more than 5 minutes ahead, and we refuse signatures that are 5 minutes off. Clocks that
 * are a minute apart may get there.
 */
const apartMsMax = 60_000;

const check = "clock";
const remedy = "have it set by NTP";

export type ClocksAhead = {
  /** Milliseconds ahead of this machine; undefined when not known. */
  databaseMs: number | undefined;
  stripeMs: number | undefined;
};

/** Compares this machine's clock with the database's and Stripe's, and says which of them is wrong. */
export function checkClock({ databaseMs, stripeMs }: ClocksAhead): Finding {
  if (databaseMs === undefined && stripeMs === undefined)
    return unchecked(check, "no other clock was reached");
  const ofDatabase = databaseMs ?? 0;
  const ofStripe = stripeMs ?? 0;
  if (areClose(ofDatabase, 0) && areClose(ofStripe, 0)) {
    return ok(check, `this machine's is less than ${apartMsMax / 1_000} s off`);
  }
  const isOursAlone = databaseMs === undefined || stripeMs === undefined || areClose(ofDatabase, ofStripe);
  if (isOursAlone) return problem(check, `this machine's is ${inWords(-(stripeMs ?? ofDatabase))}`, remedy);
  if (areClose(ofStripe, 0)) {
    return problem(check, `the database's is ${inWords(ofDatabase)}${ifUsageWaits(ofDatabase)}`, remedy);
  }
  if (areClose(ofDatabase, 0)) {
    const waits = ifUsageWaits(-ofStripe);
    return problem(
      check,
      `this machine's and the database's are ${inWords(-ofStripe)} by Stripe's${waits}`,
      remedy,
    );
  }
  const detail = `this machine's is ${inWords(-ofStripe)} by Stripe's and ${inWords(-ofDatabase)} by the database's`;
  return problem(check, detail, remedy);
}

/** Usage gets its time from the database, and Stripe refuses what is further ahead of its own clock. */
const aheadOfStripeMsMax = 4 * 60_000;

function ifUsageWaits(databaseAheadOfStripeMs: number): string {
  return databaseAheadOfStripeMs > aheadOfStripeMsMax
    ? ", so usage waits until Stripe's clock is near enough to take it"
    : "";
}

function areClose(one: number, other: number): boolean {
  return Math.abs(one - other) < apartMsMax;
}

function inWords(aheadMs: number): string {
  return `${Math.round(Math.abs(aheadMs) / 1_000)} s ${aheadMs > 0 ? "ahead" : "behind"}`;
}
