import type { StripeAnswer } from "../../stripe/answer.ts";
import type { MeterEventRequest } from "../../stripe/sync-transport.ts";

/** How Stripe, or the network before it, takes one request. */
export const moods = [
  "accept",
  "accept_then_refuse",
  "accept_then_500",
  "accept_then_cut",
  "cut_before",
  "server_error",
  "proxy_page",
  "rate_limited",
  "conflict",
  "refused_connection",
  "refuse",
  "unauthorized",
  "no_meter",
] as const;
export type Mood = (typeof moods)[number];

export type Counted = {
  identifier: string;
  customer: string;
  eventName: string;
  value: bigint;
  usedAtMs: number;
  countedAtMs: number;
};

/** A question for sums, as the service asks it. */
type SumQuestion = { customer: string; eventName: string; start: Date; end: Date; lagMs: number };

/** All records by which a meter event's sender can be judged: the counted events, in order, and its faulty requests. */
export type RememberingStripe = {
  answer: (mood: Mood, request: MeterEventRequest) => StripeAnswer;
  /** Says that the sender died before it learned of the answer to its request. */
  loseAnswer: (identifier: string) => void;
  /** What Stripe's sum of a window says, which lags: `last` gives the latest value in place of the sum. */
  sumOf: (asked: SumQuestion, fold: "sum" | "last") => bigint;
  /** Identifiers that Stripe took and refused when it validated them, since they were asked for last. */
  takeRefused: () => string[];
  /** Every count, a second one under the same identifier included. */
  counts: readonly Counted[];
  /** A sentence for each request that a correct sender never makes. */
  offences: readonly string[];
};

import { hourMs } from "../../testing/rows/hours.ts";
const memoryMs = 24 * hourMs;
/** The sender's own limit, and the time that a test itself takes. */
const safeMs = 23 * hourMs + 5 * 60_000;

/**
 * A Stripe that forgets an identifier as soon as it may: 24 hours after it was counted. `passedMs` is the time that
 * passed by moving stored times back, which moves the usage's own times too, and `waitedMs` the time that passed for attempts and looks alone.
 */
export function createRememberingStripe({
  passedMs,
  waitedMs,
}: {
  passedMs: () => number;
  waitedMs: () => number;
}): RememberingStripe {
  const nowMs = () => Date.now() + passedMs() + waitedMs();
  const rememberedUntilMs = new Map<string, number>();
  const values = new Map<string, string>();
  const unknownSinceMs = new Map<string, number>();
  const counts: Counted[] = [];
  let refused: string[] = [];
  const offences: string[] = [];

  function judge({ identifier, value }: MeterEventRequest): void {
    const first = values.get(identifier) ?? value;
    values.set(identifier, first);
    if (first !== value) offences.push(`${identifier} came with ${first} and with ${value}`);
    const sinceMs = unknownSinceMs.get(identifier);
    if (sinceMs !== undefined && nowMs() - sinceMs > safeMs) {
      offences.push(
        `${identifier} came again ${(nowMs() - sinceMs) / hourMs} hours after an unknown outcome`,
      );
    }
  }

  /** False when Stripe knows the identifier already. */
  function count({ identifier, value, customerId, eventName, timestamp }: MeterEventRequest): boolean {
    if (nowMs() < (rememberedUntilMs.get(identifier) ?? Number.NEGATIVE_INFINITY)) return false;
    rememberedUntilMs.set(identifier, nowMs() + memoryMs);
    const usedAtMs = timestamp * 1_000 + passedMs();
    counts.push({
      identifier,
      customer: customerId,
      eventName,
      value: BigInt(value),
      usedAtMs,
      countedAtMs: nowMs(),
    });
    return true;
  }

  /** Taken, so that its identifier is a duplicate, and never counted. */
  function takeAndRefuse(request: MeterEventRequest): boolean {
    if (!count(request)) return false;
    counts.pop();
    refused.push(request.identifier);
    return true;
  }

  function sumOf({ customer, eventName, start, end, lagMs }: SumQuestion, fold: "sum" | "last"): bigint {
    const visible = counts.filter((one) => {
      const usedAtMs = one.usedAtMs - passedMs();
      const isInside = usedAtMs >= start.getTime() && usedAtMs < end.getTime();
      const isOf = one.customer === customer && one.eventName === eventName;
      return isOf && isInside && one.countedAtMs <= nowMs() - lagMs;
    });
    if (fold === "sum") return visible.reduce((total, { value }) => total + value, 0n);
    return visible.toSorted((one, other) => one.usedAtMs - other.usedAtMs).at(-1)?.value ?? 0n;
  }

  function work(mood: Mood, request: MeterEventRequest): StripeAnswer {
    switch (mood) {
      case "accept":
        return count(request) ? { kind: "success", httpStatus: 200, requestId: null } : duplicate(request);
      case "accept_then_refuse":
        return takeAndRefuse(request)
          ? { kind: "success", httpStatus: 200, requestId: null }
          : duplicate(request);
      case "accept_then_500":
        count(request);
        return error(500, "went wrong afterwards");
      case "accept_then_cut":
        count(request);
        return noAnswer("ECONNRESET");
      case "cut_before":
        return noAnswer("ECONNRESET");
      case "server_error":
        return error(500, "went wrong");
      case "proxy_page":
        return noAnswer(null);
      case "rate_limited":
        return error(429, "too many requests");
      case "conflict":
        return error(409, "another request is in progress");
      case "refused_connection":
        return { ...noAnswer("ECONNREFUSED"), reachedStripe: "no" };
      case "refuse":
        return error(400, "the value cannot be used");
      case "unauthorized":
        return error(401, "invalid API key");
      case "no_meter":
        return error(400, "No active meter found");
    }
  }

  function loseAnswer(identifier: string): void {
    if (!unknownSinceMs.has(identifier)) unknownSinceMs.set(identifier, nowMs());
  }

  return {
    counts,
    offences,
    sumOf,
    takeRefused: () => {
      const taken = refused;
      refused = [];
      return taken;
    },
    answer: (mood, request) => {
      judge(request);
      const answer = work(mood, request);
      const isUnknown = answer.kind === "no_answer" ? answer.reachedStripe === "maybe" : is500(answer);
      if (isUnknown) loseAnswer(request.identifier);
      return answer;
    },
    loseAnswer,
  };
}

type Silence = Extract<StripeAnswer, { kind: "no_answer" }>;

function duplicate({ identifier }: MeterEventRequest): StripeAnswer {
  return error(400, `An event already exists with identifier ${identifier}.`);
}

function error(httpStatus: number, message: string): StripeAnswer {
  return {
    kind: "error",
    httpStatus,
    code: null,
    type: "invalid_request_error",
    message,
    requestId: null,
    rateLimitedReason: null,
    retryAfterMs: null,
  };
}

function noAnswer(code: string | null): Silence {
  return { kind: "no_answer", reachedStripe: "maybe", code, message: "no answer" };
}

function is500(answer: Exclude<StripeAnswer, Silence>): boolean {
  return answer.httpStatus >= 500;
}
