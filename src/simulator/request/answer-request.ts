import type { ActionSpec } from "../faults/fault.ts";
import { refusalOfFault } from "../faults/fault-answer.ts";
import { waitMs } from "../faults/latency.ts";
import type { Answer } from "./answer.ts";
import type { Delivery } from "./deliver.ts";
import { internalError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { drawTokens, rateLimited } from "./rate-limit.ts";
import { drawRead } from "./read-quota.ts";
import { work } from "./work.ts";

/** Decides the fate of a request: done, refused, spoilt by a fault, or left without an answer. */
export async function answerRequest(exchange: Exchange): Promise<Delivery> {
  if (!isWithinRate(exchange)) {
    exchange.state.totals.rateLimited += 1;
    return { kind: "send", answer: rateLimited("endpoint-rate") };
  }
  if (!isWithinQuota(exchange)) return { kind: "send", answer: rateLimited("resource-specific") };
  const { action } = exchange.struck;
  if (action === undefined) return { kind: "send", answer: await work(exchange, () => execute(exchange)) };
  const refusal = refusalOfFault(action, exchange);
  if (refusal === undefined) return answerSpoilt(exchange, action);
  await waitMs(exchange.delayMs);
  return { kind: "send", answer: refusal };
}

async function answerSpoilt(exchange: Exchange, action: ActionSpec): Promise<Delivery> {
  switch (action.kind) {
    case "cut_before":
      await waitMs(exchange.delayMs);
      return { kind: "cut" };
    case "accept_then_cut": {
      const answer = await work(exchange, () => execute(exchange));
      return action.sent === "nothing" ? { kind: "cut" } : { kind: "cut_in_body", answer };
    }
    case "accept_then_500":
      return { kind: "send", answer: await work(exchange, () => failAfter(execute(exchange))) };
    case "stored_500":
      return { kind: "send", answer: await work(exchange, internalError) };
    case "never_answer":
      if (action.record) await work(exchange, () => execute(exchange));
      return { kind: "never" };
    case "slow_drip": {
      const answer = await work(exchange, () => execute(exchange));
      return { kind: "drip", answer, intervalMs: action.interval_ms };
    }
    case "duplicate_processing":
      exchange.request.countTimes = 2;
      return { kind: "send", answer: await work(exchange, () => execute(exchange)) };
    case "refuse_later":
      exchange.request.refusedLater = action;
      return { kind: "send", answer: await work(exchange, () => execute(exchange)) };
    case "status":
    case "wrong_key":
    case "forbidden":
    case "expired_session":
    case "inactive_meter":
      throw new Error(`The fault ${action.kind} refuses and does not get here.`);
  }
}

function isWithinRate({ state, route, request, touched }: Exchange): boolean {
  const { rate_limit_events_per_second: ofEvents, rate_limit_reads_per_second: ofReads } = state.settings;
  const nowMs = state.clock.nowMs();
  if (route.takesEvents === true && ofEvents !== null) {
    const events = Math.max(1, touched.length);
    return drawTokens(state.buckets, { bucketOf: request.apiKey, events, perSecond: ofEvents, nowMs });
  }
  if (route.method === "GET" && ofReads !== null) {
    const bucketOf = `${request.apiKey} ${route.path}`;
    return drawTokens(state.buckets, { bucketOf, events: 1, perSecond: ofReads, nowMs });
  }
  return true;
}

function isWithinQuota({ state, route }: Exchange): boolean {
  if (route.method !== "GET") return true;
  const quota = state.settings.read_quota;
  return drawRead(state.reads, { path: route.path, quota, nowMs: state.clock.nowMs() });
}

function execute({ state, route, request }: Exchange): Answer {
  return route.execute(state, request);
}

function failAfter(answer: Answer): Answer {
  // A refusal stays one: otherwise a rate of 1 would hide even the duplicate's 400 for ever.
  return answer.status < 300 ? internalError() : answer;
}
