import type { Route } from "./request/route.ts";
import { eventRoutes } from "./events/event-routes.ts";
import { thinEventRoutes } from "./events/thin-event-routes.ts";
import { checkoutSessionRoutes } from "./v1/checkout-sessions.ts";
import { customerRoutes } from "./v1/customers.ts";
import { eventSummariesRoute } from "./v1/event-summaries.ts";
import { invoiceRoutes } from "./v1/invoices.ts";
import { createAdjustmentRoute } from "./v1/meter-event-adjustments.ts";
import { createMeterEventRoute } from "./v1/meter-events.ts";
import { meterRoutes } from "./v1/meters.ts";
import { paymentLinkRoutes } from "./v1/payment-links.ts";
import { pauseRoutes } from "./v1/pause-subscription.ts";
import { priceRoutes } from "./v1/prices.ts";
import { productRoutes } from "./v1/products.ts";
import { testClockRoutes } from "./v1/test-clocks.ts";
import { subscriptionRoutes } from "./v1/subscriptions.ts";
import { webhookEndpointRoutes } from "./v1/webhook-endpoints.ts";
import { eventDestinationRoutes } from "./v2/event-destinations.ts";
import { createV2MeterEventRoute } from "./v2/meter-events.ts";
import { createSessionRoute } from "./v2/session.ts";
import { createStreamRoute } from "./v2/stream.ts";

/** Every endpoint of Stripe's that the simulator knows. */
export const stripeRoutes: readonly Route[] = [
  createMeterEventRoute,
  createAdjustmentRoute,
  ...meterRoutes,
  eventSummariesRoute,
  ...customerRoutes,
  ...productRoutes,
  ...priceRoutes,
  ...subscriptionRoutes,
  ...pauseRoutes,
  ...checkoutSessionRoutes,
  ...paymentLinkRoutes,
  ...testClockRoutes,
  ...invoiceRoutes,
  ...webhookEndpointRoutes,
  ...eventDestinationRoutes,
  ...eventRoutes,
  ...thinEventRoutes,
  createV2MeterEventRoute,
  createSessionRoute,
  createStreamRoute,
];
