import type { Simulation } from "../state.ts";
import type { CheckoutSession } from "./checkout-session.ts";
import { openSession } from "./checkout-sessions.ts";

/** docs.stripe.com/payment-links/url-parameters, certain: other values are dropped without a word. */
const referenceForm = /^[A-Za-z0-9_-]{1,200}$/;

/**
 * Opening a link's URL makes a session whose metadata is the link's, and so the account's own, and whose
 * `client_reference_id` comes from the URL's query, which the visitor writes. Undefined when no active link has this
 * URL.
 */
export function openPaymentLink(state: Simulation, visited: URL): CheckoutSession | undefined {
  const address = `${visited.origin}${visited.pathname}`;
  const link = [...state.paymentLinks.values()].find((one) => one.active && one.url === address);
  if (link === undefined) return undefined;
  const reference = visited.searchParams.get("client_reference_id") ?? "";
  return openSession(state, {
    livemode: link.livemode,
    clientReferenceId: referenceForm.test(reference) ? reference : null,
    customer: null,
    customerEmail: visited.searchParams.get("prefilled_email"),
    paymentLink: link.id,
    metadata: { ...link.metadata },
    subscriptionMetadata: { ...link.subscriptionMetadata },
    trialDays: link.trialDays,
    items: link.items.map((item) => ({ ...item, id: state.nextId("si") })),
    successUrl: null,
  });
}
