import type Stripe from "stripe";
import { z } from "zod";
import { answerOfError, httpStatusOf, type StripeAnswer, successOf } from "./answer.ts";
import { createStripeClock, isTooEarly, type StripeClock } from "./stripe-clock.ts";
import type { MeterEventRequest, Transport } from "./sync-transport.ts";

/** Stripe's bound for one request to the stream. */
const eventsPerRequestMax = 100;
/** A session lives 15 minutes; one this near to its end is not used any more. */
const renewBeforeMs = 60_000;

/** The used fields of a session's answer; the token goes into a header. */
const sessionSchema = z.object({
  authentication_token: z.string().regex(/^[\x21-\x7e]+$/),
  created: z.iso.datetime({ offset: true }),
  expires_at: z.iso.datetime({ offset: true }),
});

const tooEarly: StripeAnswer = {
  kind: "no_answer",
  reachedStripe: "no",
  code: "too_early",
  message: "the usage is more than 5 minutes ahead of Stripe's clock",
};

const unusableSession: StripeAnswer = {
  kind: "foreign",
  httpStatus: 200,
  message: "the session that was opened has no token or no end",
};

type Session = { token: string; usableUntilMs: number };

/**
 * The v2 meter event stream (docs.stripe.com/api/v2/billing/meter-event-stream): up to 100 events a request, accepted
 * before they are validated. Sessions are renewed before they expire, and at once when Stripe refuses one. `nowMs` is
 * this process's clock; its distance from Stripe's clock does not matter.
 */
export function createStreamTransport(
  stripe: Stripe,
  nowMs: () => number,
  clock: StripeClock = createStripeClock(nowMs),
): Transport {
  let latest: Promise<Session> | undefined;

  async function currentSession(): Promise<Session> {
    const known = latest;
    const session = await known;
    if (session !== undefined && session.usableUntilMs > nowMs()) return session;
    // The first sender that finds the session outdated opens the next one, and the others share it.
    if (latest === known) latest = undefined;
    latest ??= open();
    return latest;
  }

  function open(): Promise<Session> {
    const opened: Promise<Session> = openSession(stripe, nowMs).catch((error: unknown) => {
      if (latest === opened) latest = undefined;
      throw error;
    });
    return opened;
  }

  async function send(requests: readonly MeterEventRequest[]): Promise<StripeAnswer> {
    let session: Session;
    try {
      session = await currentSession();
    } catch (error) {
      return answerBeforeSending(error instanceof z.ZodError ? unusableSession : answerOfError(error));
    }
    // The stream accepts events that Stripe refuses later. The session's answer has told Stripe's time.
    if (requests.some((request) => isTooEarly(request, clock))) return tooEarly;
    try {
      const accepted: unknown = await stripe.v2.billing.meterEventStream.create(
        { events: requests.map(streamEvent) },
        { apiKey: session.token },
      );
      return successOf(accepted);
    } catch (error) {
      const answer = answerOfError(error);
      if (isRefusalOfKey(answer)) session.usableUntilMs = Number.NEGATIVE_INFINITY;
      return answer;
    }
  }
  return { eventsPerRequestMax, send };
}

async function openSession(stripe: Stripe, nowMs: () => number): Promise<Session> {
  const openedAtMs = nowMs();
  const session = sessionSchema.parse(await stripe.v2.billing.meterEventSession.create());
  const lifetimeMs = Date.parse(session.expires_at) - Date.parse(session.created);
  return { token: session.authentication_token, usableUntilMs: openedAtMs + lifetimeMs - renewBeforeMs };
}

/**
 * No event was sent, whatever happened to the session: an unknown outcome or a refusal of this request is no event's
 * fault. Only outcomes that concern the whole account are passed on.
 */
function answerBeforeSending(answer: StripeAnswer): StripeAnswer {
  if (isRefusalOfKey(answer) || (answer.kind === "error" && answer.httpStatus === 429)) return answer;
  const message = answer.kind === "success" ? "no session" : answer.message;
  const httpStatus = httpStatusOf(answer);
  return {
    kind: "no_answer",
    reachedStripe: "no",
    code: "no_session",
    message,
    ...(httpStatus !== null && { httpStatus }),
  };
}

function isRefusalOfKey(answer: StripeAnswer): boolean {
  return answer.kind === "error" && (answer.httpStatus === 401 || answer.httpStatus === 403);
}

function streamEvent(request: MeterEventRequest) {
  return {
    event_name: request.eventName,
    payload: { stripe_customer_id: request.customerId, value: request.value },
    identifier: request.identifier,
    timestamp: new Date(request.timestamp * 1_000).toISOString(),
  };
}
