import { reportErrors } from "../events/report-errors.ts";
import { eventObject, type ThinEvent } from "../events/stored-event.ts";
import type { Simulation } from "../state.ts";
import type { DeliveryAttempt } from "../webhooks/delivery-log.ts";
import type { EndpointInput, EndpointPatch, WebhookEndpoint } from "../webhooks/endpoint.ts";
import { releaseHeld, releaseSchema, type ReleaseInput } from "../webhooks/release.ts";
import { settled } from "../webhooks/webhooks.ts";
import { complete, cycle, endAsyncPayment, openLink, setSubscription } from "./billing-controls.ts";
import type { AsyncPayment, Completion, Cycle, SubscriptionChange } from "./billing-schemas.ts";
import { injectedEventSchema, injectEvent, type InjectedEvent } from "./injected-event.ts";
import {
  forgetIdentifiers,
  refuseUsage,
  usageRefusalSchema,
  type ChosenUsage,
  type UsageRefusal,
} from "./usage-controls.ts";
import {
  addEndpoint,
  changeEndpoint,
  listDeliveries,
  removeEndpoint,
  resend,
  type DeliveryFilter,
} from "./webhook-controls.ts";

type Found<T> = Exclude<T, undefined>;

/**
 * The actions of customers, of time and of Stripe itself, in-process. An id that names nothing throws, where HTTP
 * answers 404.
 */
export type StripeSide = {
  setSubscription: (id: string, change: SubscriptionChange) => Found<ReturnType<typeof setSubscription>>;
  cycleSubscription: (id: string, options?: Cycle) => Found<ReturnType<typeof cycle>>;
  completeCheckout: (id: string, completion?: Completion) => Found<ReturnType<typeof complete>>;
  endAsyncPayment: (id: string, payment: AsyncPayment) => Found<ReturnType<typeof endAsyncPayment>>;
  /** Opens a Payment Link by its URL, with any query behind it. */
  openPaymentLink: (url: string) => Found<ReturnType<typeof openLink>>;
  addWebhookEndpoint: (endpoint: EndpointInput) => WebhookEndpoint;
  changeWebhookEndpoint: (id: string, patch: EndpointPatch) => WebhookEndpoint;
  removeWebhookEndpoint: (id: string) => number;
  webhookEndpoints: () => WebhookEndpoint[];
  /** Every event that is kept, thin ones included, oldest first. */
  events: () => ReturnType<typeof eventObject>[];
  /** Injects an event without a cause. */
  emit: (event: InjectedEvent) => ReturnType<typeof eventObject>;
  /** Sends the thin events about usage that was found invalid since the last report. */
  reportErrors: (options?: { samples_max?: number }) => ThinEvent[];
  /** Forgets identifiers before their time; all when nothing is named. */
  forgetIdentifiers: (chosen?: ChosenUsage) => { forgotten: number };
  /** Finds events invalid that were accepted and counted, for the next report to tell. */
  refuseUsage: (refusal?: UsageRefusal) => { refused: string[] };
  resend: (eventId: string) => { deliveries: number };
  deliveries: (filter?: DeliveryFilter) => DeliveryAttempt[];
  /** Sends what is held; resolves after the first attempts. */
  release: (options?: ReleaseInput) => Promise<{ released: number }>;
  /** Resolves when nothing is under way and no further attempt is due; held deliveries are not waited for. */
  deliveriesSettled: () => Promise<void>;
};

/** Binds the controls to the current account, also after a reset. */
export function stripeSide(current: () => Simulation): StripeSide {
  return {
    setSubscription: (id, change) => found(id, setSubscription(current(), id, change)),
    cycleSubscription: (id, options = {}) => found(id, cycle(current(), id, options)),
    completeCheckout: (id, completion = {}) => found(id, complete(current(), id, completion)),
    endAsyncPayment: (id, payment) => found(id, endAsyncPayment(current(), id, payment)),
    openPaymentLink: (url) => found(url, openLink(current(), { url })),
    addWebhookEndpoint: (endpoint) => addEndpoint(current(), endpoint),
    changeWebhookEndpoint: (id, patch) => found(id, changeEndpoint(current(), id, patch)),
    removeWebhookEndpoint: (id) => removeEndpoint(current(), id),
    webhookEndpoints: () => [...current().webhooks.endpoints.values()],
    events: () => [...current().events.values()].map(eventObject),
    emit: (event) => injectEvent(current(), injectedEventSchema.parse(event)),
    reportErrors: (options) => reportErrors(current(), options),
    forgetIdentifiers: (chosen = {}) => forgetIdentifiers(current(), chosen),
    refuseUsage: (refusal = {}) => refuseUsage(current(), usageRefusalSchema.parse(refusal)),
    resend: (eventId) => found(eventId, resend(current(), eventId)),
    deliveries: (filter) => listDeliveries(current(), filter),
    release: (options = {}) => releaseHeld(current(), releaseSchema.parse(options)),
    deliveriesSettled: () => settled(current().webhooks),
  };
}

function found<T extends object>(id: string, object: T | undefined): T {
  if (object === undefined) throw new Error(`The simulator knows no ${id} of which this is possible.`);
  return object;
}
