import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, resourceMissing } from "../request/errors.ts";
import { booleanField, mapField, textField } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import { readMetadata } from "../request/metadata.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { readTrialDays } from "./checkout-sessions.ts";
import { readLineItems } from "./line-items.ts";
import { paymentLinkObject, type PaymentLink } from "./payment-link.ts";

const linksPath = "/v1/payment_links";

/** docs.stripe.com/api/payment-link, certain; only for subscriptions. A link cannot be deleted, only made inactive. */
export const paymentLinkRoutes: Route[] = [
  { method: "POST", path: linksPath, api: "v1", execute: createLink },
  { method: "GET", path: linksPath, api: "v1", execute: listLinks },
  { method: "GET", path: `${linksPath}/:id`, api: "v1", execute: retrieveLink },
  { method: "POST", path: `${linksPath}/:id`, api: "v1", execute: updateLink },
];

function createLink(state: Simulation, request: StripeRequest): Answer {
  const { form, livemode } = request;
  // It is the visitor's URL that has one.
  if (textField(form, "client_reference_id") !== undefined) {
    return invalidParameter("Received unknown parameter: client_reference_id", "client_reference_id");
  }
  const lines = readLineItems(state, request);
  if ("refusal" in lines) return lines.refusal;
  const subscriptionData = mapField(form, "subscription_data") ?? {};
  const trialDays = readTrialDays(subscriptionData);
  if (trialDays === "invalid") {
    return invalidParameter("Invalid trial.", "subscription_data[trial_period_days]");
  }
  const id = state.nextId("plink");
  const link: PaymentLink = {
    id,
    url: `https://buy.stripe.com/${livemode ? "" : "test_"}${id.slice("plink_".length)}`,
    active: true,
    livemode,
    metadata: readMetadata(form, {}),
    subscriptionMetadata: readMetadata(subscriptionData, {}),
    trialDays,
    items: lines.items,
  };
  state.paymentLinks.set(id, link);
  return ok(paymentLinkObject(link));
}

function listLinks(state: Simulation, { form }: StripeRequest): Answer {
  const active = booleanField(form, "active");
  const links = [...state.paymentLinks.values()].filter(
    (link) => active === undefined || link.active === active,
  );
  return listPage(links.toReversed().map(paymentLinkObject), form, linksPath);
}

function retrieveLink(state: Simulation, { id }: StripeRequest): Answer {
  const link = state.paymentLinks.get(id);
  return link === undefined ? resourceMissing("payment_link", id) : ok(paymentLinkObject(link));
}

function updateLink(state: Simulation, { id, form }: StripeRequest): Answer {
  const link = state.paymentLinks.get(id);
  if (link === undefined) return resourceMissing("payment_link", id);
  link.active = booleanField(form, "active") ?? link.active;
  link.metadata = readMetadata(form, link.metadata);
  return ok(paymentLinkObject(link));
}
