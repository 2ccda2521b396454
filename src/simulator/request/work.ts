import { setImmediate } from "node:timers/promises";
import { waitMs } from "../faults/latency.ts";
import type { Answer } from "./answer.ts";
import type { Exchange } from "./exchange.ts";
import { beginIdempotent, finishIdempotent } from "./idempotency.ts";
import { enterFlight, parallelRefusal } from "./in-flight.ts";

/** Does the work of a request: once per Idempotency-Key, and one at a time per customer and meter. */
export async function work(exchange: Exchange, execute: () => Answer): Promise<Answer> {
  const { state, route, request, idempotencyKey, fingerprint } = exchange;
  if (idempotencyKey === undefined || route.method !== "POST") return workAlone(exchange, execute);
  const beginning = beginIdempotent(state.idempotency, {
    key: idempotencyKey,
    apiKey: request.apiKey,
    fingerprint,
    nowMs: state.clock.nowMs(),
    retentionSeconds: state.settings.idempotency_retention_seconds,
  });
  switch (beginning.begun) {
    case "refused":
      return beginning.answer;
    case "replay":
      state.totals.replays += 1;
      return beginning.answer;
    case "first": {
      const answer = await workAlone(exchange, execute);
      finishIdempotent(state.idempotency, { entryKey: beginning.entryKey, answer, api: route.api });
      return answer;
    }
  }
}

async function workAlone(exchange: Exchange, execute: () => Answer): Promise<Answer> {
  const { state, route, touched, isAbandoned } = exchange;
  const subject = touched[0];
  if (route.isSerialized !== true || subject === undefined) return workForAWhile(exchange, execute);
  const flight = enterFlight(state.inFlight, subject, { isAbandoned });
  try {
    if (flight.isFirst) return await workForAWhile(exchange, execute);
    state.totals.conflicts += 1;
    return parallelRefusal(state.settings.parallel_status, route.api);
  } finally {
    flight.leave();
  }
}

async function workForAWhile({ delayMs }: Exchange, execute: () => Answer): Promise<Answer> {
  // One turn of the event loop stands for the time that Stripe takes, so that requests sent in parallel do meet.
  await (delayMs > 0 ? waitMs(delayMs) : setImmediate());
  return execute();
}
