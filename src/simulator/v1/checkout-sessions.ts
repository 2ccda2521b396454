import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, resourceMissing } from "../request/errors.ts";
import { mapField, textField, type Form } from "../request/form.ts";
import { readMetadata } from "../request/metadata.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { readLineItems } from "./line-items.ts";
import { checkoutSessionObject, type CheckoutSession } from "./checkout-session.ts";

const sessionsPath = "/v1/checkout/sessions";

/** docs.stripe.com/api/checkout/sessions, certain; only of mode `subscription`. */
export const checkoutSessionRoutes: Route[] = [
  { method: "POST", path: sessionsPath, api: "v1", execute: createSession },
  { method: "GET", path: `${sessionsPath}/:id`, api: "v1", execute: retrieveSession },
];

type NewSession = Omit<
  CheckoutSession,
  "id" | "status" | "paymentStatus" | "createdAt" | "subscription" | "invoice"
>;

/** Opens a session, which a customer can then complete. */
export function openSession(state: Simulation, fields: NewSession): CheckoutSession {
  const session: CheckoutSession = {
    id: state.nextId(fields.livemode ? "cs_live" : "cs_test"),
    status: "open",
    paymentStatus: "unpaid",
    createdAt: state.clock.nowSeconds(),
    subscription: null,
    invoice: null,
    ...fields,
  };
  state.checkoutSessions.set(session.id, session);
  return session;
}

function createSession(state: Simulation, request: StripeRequest): Answer {
  const { form, livemode } = request;
  const mode = textField(form, "mode");
  if (mode === undefined) return missingParameter("mode");
  if (mode !== "subscription") {
    return invalidParameter("The simulator knows sessions of mode 'subscription' only.", "mode");
  }
  const customer = textField(form, "customer") ?? null;
  const known = customer === null ? undefined : state.customers.get(customer);
  if (customer !== null && (known === undefined || known.isDeleted)) {
    return resourceMissing("customer", customer, "customer");
  }
  const subscriptionData = mapField(form, "subscription_data") ?? {};
  const trialDays = readTrialDays(subscriptionData);
  if (trialDays === "invalid") {
    return invalidParameter("Invalid trial.", "subscription_data[trial_period_days]");
  }
  const lines = readLineItems(state, request);
  if ("refusal" in lines) return lines.refusal;
  const session = openSession(state, {
    livemode,
    clientReferenceId: textField(form, "client_reference_id") ?? null,
    customer,
    customerEmail: textField(form, "customer_email") ?? known?.email ?? null,
    paymentLink: null,
    metadata: readMetadata(form, {}),
    subscriptionMetadata: readMetadata(subscriptionData, {}),
    trialDays,
    items: lines.items,
    successUrl: textField(form, "success_url") ?? null,
  });
  return ok(checkoutSessionObject(session));
}

function retrieveSession(state: Simulation, { id }: StripeRequest): Answer {
  const session = state.checkoutSessions.get(id);
  return session === undefined ? resourceMissing("checkout.session", id) : ok(checkoutSessionObject(session));
}

/** The days of `trial_period_days`, of a session or a Payment Link. */
export function readTrialDays(subscriptionData: Form): number | null | "invalid" {
  const days = textField(subscriptionData, "trial_period_days");
  if (days === undefined) return null;
  return /^[1-9]\d{0,2}$/.test(days) ? Number(days) : "invalid";
}
