import { latencyMs } from "../faults/latency.ts";
import { pickFaults, type Struck } from "../faults/pick-faults.ts";
import type { Simulation } from "../state.ts";
import { answerRequest } from "./answer-request.ts";
import { deliver, type Delivery } from "./deliver.ts";
import { readRequest, type RequestContext } from "./read-request.ts";
import { logRequest, noteQuantities } from "./request-log.ts";
import type { Route } from "./route.ts";
import type { Touched } from "./touched.ts";

/** Takes one request from the key check to the last byte of its answer. */
export async function serveRequest(
  state: Simulation,
  route: Route,
  context: RequestContext,
): Promise<Response> {
  const requestId = state.nextId("req");
  const idempotencyKey = context.req.header("Idempotency-Key");
  const receivedAt = new Date(state.clock.nowMs()).toISOString();
  const { delivery, touched, struck } = await decide(state, { route, context, requestId, idempotencyKey });
  logRequest(
    state.requestLog,
    {
      request_id: requestId,
      received_at: receivedAt,
      method: route.method,
      path: context.req.path,
      outcome: outcomeOf(delivery),
      idempotency_key: idempotencyKey ?? null,
      identifiers: touched.flatMap(({ identifier }) => identifier ?? []),
      faults: [struck?.latency?.kind, struck?.action?.kind].filter((kind) => kind !== undefined),
    },
    `${route.method} ${route.path}`,
  );
  return deliver(context, delivery, { requestId, idempotencyKey, nowMs: state.clock.nowMs() });
}

type Decision = { delivery: Delivery; touched: readonly Touched[]; struck?: Struck };

async function decide(
  state: Simulation,
  input: { route: Route; context: RequestContext; requestId: string; idempotencyKey: string | undefined },
): Promise<Decision> {
  const { route, context, idempotencyKey } = input;
  const reading = await readRequest(state, input);
  if (!reading.isLetIn) return { delivery: { kind: "send", answer: reading.answer }, touched: [] };
  const { request, fingerprint } = reading;
  const touched = route.touches?.(state, request) ?? [];
  noteQuantities(state.requestLog, touched);
  const struck = pickFaults(state, { route, path: request.path, touched });
  const delivery = await answerRequest({
    state,
    route,
    request,
    touched,
    idempotencyKey,
    fingerprint,
    struck,
    delayMs: struck.latency === undefined ? 0 : latencyMs(struck.latency, state.random),
    isAbandoned: () => context.env.incoming?.socket.destroyed ?? false,
  });
  return { delivery, touched, struck };
}

function outcomeOf(delivery: Delivery): string {
  return delivery.kind === "send" ? String(delivery.answer.status) : delivery.kind;
}
