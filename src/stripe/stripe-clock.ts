import type Stripe from "stripe";

/** Stripe's time, as far as its answers tell. */
export type StripeClock = {
  /** Learns from the `Date` of an answer that is Stripe's own. */
  observe: (date: unknown) => void;
  /** Stripe's time in milliseconds since 1970, late by up to a second and the way; our own while no answer tells it. */
  nowMs: () => number;
  /** The same; undefined while no answer tells it. */
  knownMs: () => number | undefined;
};

const minuteMs = 60_000;
/** A session of the stream lives no longer, and its opening tells Stripe's time. */
const believedMs = 15 * minuteMs;
/** A time further from ours is a mistake of a server on the way. Stripe takes no usage that is older. */
const distanceMsMax = 35 * 24 * 60 * minuteMs;
/** Two clocks of one machine come no further apart while neither is set and the machine does not sleep. */
const unsteadyMsMax = minuteMs;

/**
 * Keeps how far Stripe's clock was from ours at its latest answer, for a while: usage that waits for a wrong time keeps
 * away the answers that would correct it. `monotonicMs` is a clock that is never set.
 */
export function createStripeClock(
  nowMs: () => number,
  monotonicMs: () => number = () => performance.now(),
): StripeClock {
  let latest = { aheadMs: 0, ours: 0, monotonic: Number.NEGATIVE_INFINITY };

  function isBelieved(): boolean {
    const passedMs = monotonicMs() - latest.monotonic;
    const ourPassedMs = nowMs() - latest.ours;
    return passedMs < believedMs && Math.abs(ourPassedMs - passedMs) < unsteadyMsMax;
  }

  const knownMs = () => (isBelieved() ? nowMs() + latest.aheadMs : undefined);

  return {
    observe(date) {
      const ours = nowMs();
      const aheadMs = (typeof date === "string" ? Date.parse(date) : Number.NaN) - ours;
      if (Math.abs(aheadMs) <= distanceMsMax) latest = { aheadMs, ours, monotonic: monotonicMs() };
    },
    nowMs: () => knownMs() ?? nowMs(),
    knownMs,
  };
}

/** Stripe refuses usage that is further ahead (docs.stripe.com/api/billing/meter-event/create). */
const aheadMsMax = 5 * minuteMs;

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
