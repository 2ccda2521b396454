import type Stripe from "stripe";
import { z } from "zod";
import { isMissing } from "./answer.ts";

/** A subscription as Stripe has it at the moment of the read. */
export type SubscriptionRead = {
  id: string;
  customerId: string;
  /** Stripe's own word; the list is open. */
  status: string;
  periodStart: Date | null;
  periodEnd: Date | null;
};

/** One failure of a meter error report, as far as Stripe names it. */
export type ReportedError = { identifier: string; code: string; message: string };
export type ErrorReport = {
  errorCount: number;
  errors: ReportedError[];
  validationStart: Date;
  validationEnd: Date;
};

/** A meter as Stripe has it. An inactive one refuses every event. */
export type MeterRead = { eventName: string; isActive: boolean };

export type StripeReads = {
  mode: "live" | "test";
  readSubscription: (id: string) => Promise<SubscriptionRead | undefined>;
  isCustomerDeleted: (id: string) => Promise<boolean>;
  readMeter: (id: string) => Promise<MeterRead | undefined>;
  readErrorReport: (eventId: string) => Promise<ErrorReport>;
};

/**
 * What the service reads of Stripe's objects. Each returns undefined for what does not exist and throws the SDK's
 * error for everything else.
 */
export function createStripeReads(stripe: Stripe, apiKey: string): StripeReads {
  return {
    mode: /^\w+_live_/.test(apiKey) ? "live" : "test",
    async readSubscription(id) {
      const subscription = await unlessMissing(() => stripe.subscriptions.retrieve(id));
      return subscription === undefined ? undefined : subscriptionRead(subscription);
    },
    async isCustomerDeleted(id) {
      const customer = await unlessMissing(() => stripe.customers.retrieve(id));
      return customer === undefined || customer.deleted === true;
    },
    async readMeter(id) {
      const meter = await unlessMissing(() => stripe.billing.meters.retrieve(id));
      return meter && { eventName: meter.event_name, isActive: meter.status === "active" };
    },
    async readErrorReport(eventId) {
      return errorReport(await stripe.v2.core.events.retrieve(eventId));
    },
  };
}

async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function subscriptionRead(subscription: Stripe.Subscription): SubscriptionRead {
  const { id, customer, status, items } = subscription;
  // Periods live on the items (since 2025-03-31.basil); the metered one's is the one that usage is billed by.
  const item = items.data.find(({ price }) => price?.recurring?.usage_type === "metered") ?? items.data[0];
  return {
    id,
    customerId: typeof customer === "string" ? customer : customer.id,
    status,
    periodStart: item === undefined ? null : new Date(item.current_period_start * 1_000),
    periodEnd: item === undefined ? null : new Date(item.current_period_end * 1_000),
  };
}

const errorReportSchema = z.object({
  data: z.object({
    validation_start: z.coerce.date(),
    validation_end: z.coerce.date(),
    reason: z.object({
      error_count: z.number(),
      error_types: z.array(
        z.object({
          code: z.string(),
          sample_errors: z
            .array(
              z.object({
                error_message: z.string(),
                // One of Stripe's examples has the second name; the value is the identifier or the request's key.
                request: z.object({
                  identifier: z.string().nullish(),
                  idempotency_key: z.string().nullish(),
                }),
              }),
            )
            .nullish(),
        }),
      ),
    }),
  }),
});

function errorReport(event: unknown): ErrorReport {
  const { data } = errorReportSchema.parse(event);
  return {
    errorCount: data.reason.error_count,
    validationStart: data.validation_start,
    validationEnd: data.validation_end,
    errors: data.reason.error_types.flatMap(({ code, sample_errors }) =>
      (sample_errors ?? []).flatMap(({ error_message: message, request }) => {
        const identifier = request.identifier ?? request.idempotency_key;
        return identifier === null || identifier === undefined ? [] : [{ identifier, code, message }];
      }),
    ),
  };
}
