/** The facts about a draft's period: `open` is pending, in doubt or not sealed; `unknown`: it could not be compared. */
export type Books = "open" | "settling" | "different" | "unknown" | "equal";

/** What the gate did with a draft, or says of it. */
export const gateSteps = ["held", "released", "would_hold", "refused", "let_go"] as const;
export type GateStep = (typeof gateSteps)[number];

export type Draft = {
  createdAt: Date;
  /** When Stripe finalizes it by itself; null: it does not. */
  finalizesAt: Date | null;
  /** The last time that this service has moved it to, or is about to. */
  heldUntil: Date | null;
};

export type GateDecision =
  /** Nothing to do. */
  | { kind: "leave" }
  /** Its books are not equal, and finalization comes near: it is moved on. */
  | { kind: "hold"; until: Date }
  /** It was moved, and its books are equal. */
  | { kind: "release"; at: Date }
  /** It is finalized over open usage: it may not be moved any further. */
  | { kind: "let_go" };

export type GateOptions = { now: Date; marginMinutes: number };

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** One step, so that a service that is dead stops no invoice for longer. */
const stepMs = hourMs;
/** Stripe documents grace periods of up to 72 hours (docs.stripe.com/billing/subscriptions/usage-based/configure-grace-period). */
const heldMsMax = 72 * hourMs;
const releaseMs = 5 * minuteMs;
/** What Stripe has not finalized for so long, it could not (`last_finalization_error`), and a person has to mend that. */
const overdueMsMax = 2 * hourMs;

/** Decides about a draft invoice. Pure; `now` is Stripe's time. */
export function decideGate(draft: Draft, books: Books, { now, marginMinutes }: GateOptions): GateDecision {
  const { createdAt, finalizesAt, heldUntil } = draft;
  if (finalizesAt === null) return { kind: "leave" };
  if (books === "equal") {
    const at = new Date(wholeSecond(now) + releaseMs);
    // A time that another program or a person has set since stays.
    const isOurs = heldUntil !== null && heldUntil.getTime() === finalizesAt.getTime();
    return isOurs && finalizesAt > at ? { kind: "release", at } : { kind: "leave" };
  }
  if (!isNear(finalizesAt, { now, marginMinutes })) return { kind: "leave" };
  const limitMs = createdAt.getTime() + heldMsMax;
  const untilMs = Math.min(Math.max(finalizesAt.getTime(), wholeSecond(now)) + stepMs, limitMs);
  return untilMs <= finalizesAt.getTime() ? { kind: "let_go" } : { kind: "hold", until: new Date(untilMs) };
}

/**
 * Whether Stripe finalizes a draft within a grace period's time: neither never, nor at a time far ahead that a person has set, nor at
 * one that passed hours ago.
 */
export function isDraftDue({ finalizesAt }: Pick<Draft, "finalizesAt">, now: Date): boolean {
  if (finalizesAt === null) return false;
  const aheadMs = finalizesAt.getTime() - now.getTime();
  return aheadMs <= heldMsMax && aheadMs >= -overdueMsMax;
}

/** Whether finalization comes near. */
function isNear(finalizesAt: Date, { now, marginMinutes }: GateOptions): boolean {
  return finalizesAt.getTime() - now.getTime() <= marginMinutes * minuteMs;
}

/** Stripe takes whole seconds. */
function wholeSecond(at: Date): number {
  return Math.floor(at.getTime() / 1_000) * 1_000;
}
