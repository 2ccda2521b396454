import type Stripe from "stripe";

/** Stripe's time, as far as its answers tell. */
export type StripeClock = {
  /** Learns from the `Date` of an answer that is Stripe's own. */
  observe: (date: unknown) => void;
  /** Stripe's time in milliseconds since 1970, late by up to a second and the way; our own until an answer came. */
  nowMs: () => number;
};

/** Keeps how far Stripe's clock was from ours at its latest answer. */
export function createStripeClock(nowMs: () => number): StripeClock {
  let aheadMs = 0;
  return {
    observe(date) {
      const atMs = typeof date === "string" ? Date.parse(date) : Number.NaN;
      if (!Number.isNaN(atMs)) aheadMs = atMs - nowMs();
    },
    nowMs: () => nowMs() + aheadMs,
  };
}

/** Stripe refuses usage that is further ahead (docs.stripe.com/api/billing/meter-event/create). */
const aheadMsMax = 5 * 60_000;

/** Whether Stripe refuses the usage of a request for being too far ahead of its clock. `timestamp` in unix seconds. */
export function isTooEarly({ timestamp }: { timestamp: number }, clock: StripeClock): boolean {
  return timestamp * 1_000 > clock.nowMs() + aheadMsMax;
}

/**
 * The time that Stripe's answers carry, in whole seconds, or undefined when they carry none. Throws the SDK's error:
 * it is the smallest request there is, and shows whether Stripe can be reached and takes the key.
 */
export async function readStripeClock(stripe: Stripe): Promise<Date | undefined> {
  const { lastResponse } = await stripe.billing.meters.list({ limit: 1 });
  const at = new Date(lastResponse.headers["date"] ?? "");
  return Number.isNaN(at.getTime()) ? undefined : at;
}
