import type Stripe from "stripe";
import { z } from "zod";
import { type CustomerMode, readCustomerMode } from "./customer-mode.ts";
import { type EventSummary, readEventSummaries, type SummaryQuestion } from "./read-event-summaries.ts";
import { readSubscriptions, type SubscriptionRead } from "./read-subscriptions.ts";
import { type MeterRead, type RememberedMeters, rememberMeters } from "./remember-meters.ts";
import { isMissing } from "./answer.ts";
import { createStripeInvoices, type StripeInvoices } from "./invoices.ts";
import { type KeyMode, modeOfKey } from "./key-mode.ts";

/** One failure of a meter error report, as far as Stripe names it. */
type ReportedError = { identifier: string; code: string; message: string };
export type ErrorReport = {
  errorCount: number;
  errors: ReportedError[];
  /** Samples that name no request, or are not as Stripe writes them. */
  unreadable?: number | undefined;
  /** Why most of those failed that it counts and does not name. */
  unnamed?: { code: string; message: string } | undefined;
  validationStart: Date;
  validationEnd: Date;
};

export type StripeReads = {
  mode: KeyMode;
  /** All subscriptions of a customer, the newest first; undefined for a customer that Stripe does not know. */
  readSubscriptions: (customerId: string) => Promise<SubscriptionRead[] | undefined>;
  readCustomerMode: (customerId: string) => Promise<CustomerMode>;
  isCustomerDeleted: (id: string) => Promise<boolean>;
  readMeter: (id: string) => Promise<MeterRead | undefined>;
  meters: RememberedMeters;
  readEventSummaries: (asked: SummaryQuestion) => Promise<EventSummary[]>;
  invoices: StripeInvoices;
  readErrorReport: (eventId: string) => Promise<ErrorReport>;
};

/**
 * The reads of Stripe's objects. Each returns undefined for an object that does not exist, and throws the SDK's error
 * for everything else.
 */
export function createStripeReads(stripe: Stripe, apiKey: string): StripeReads {
  return {
    mode: modeOfKey(apiKey),
    readSubscriptions: (customerId) => readSubscriptions(stripe, customerId),
    readCustomerMode: (customerId) => readCustomerMode(stripe, customerId),
    async isCustomerDeleted(id) {
      const customer = await unlessMissing(() => stripe.customers.retrieve(id));
      return customer === undefined || customer.deleted === true;
    },
    async readMeter(id) {
      const meter = await unlessMissing(() => stripe.billing.meters.retrieve(id));
      return meter && { eventName: meter.event_name, isActive: meter.status === "active" };
    },
    meters: rememberMeters(stripe),
    readEventSummaries: (asked) => readEventSummaries(stripe, asked),
    invoices: createStripeInvoices(stripe),
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

/** Not coerced: null would be 1970, and a report that begins then is about all usage there is. */
const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));

const errorReportSchema = z.object({
  data: z.object({
    validation_start: time,
    validation_end: time,
    reason: z.object({
      error_count: z.number(),
      error_types: z.array(
        z.object({
          code: z.string(),
          error_count: z.number().nullish(),
          sample_errors: z.array(z.unknown()).nullish(),
        }),
      ),
    }),
  }),
});

const sampleSchema = z.object({
  error_message: z.string(),
  // One of Stripe's examples uses the second name; the value is the identifier or the request's key.
  request: z.object({ identifier: z.string().nullish(), idempotency_key: z.string().nullish() }),
});

/** Undefined for a sample that names no request: it holds up no other one of the report. */
function readSample(code: string, sample: unknown): ReportedError | undefined {
  const { data } = sampleSchema.safeParse(sample);
  const identifier = data?.request.identifier ?? data?.request.idempotency_key;
  if (data === undefined || identifier === null || identifier === undefined) return undefined;
  return { identifier, code, message: data.error_message };
}

/** What a sample says, also where it does not name its request. */
function messageOfSample(sample: unknown): string | undefined {
  return sampleSchema.pick({ error_message: true }).safeParse(sample).data?.error_message;
}

function errorReport(event: unknown): ErrorReport {
  const { data } = errorReportSchema.parse(event);
  const types = data.reason.error_types.map(({ code, error_count: count, sample_errors }) => {
    const samples = sample_errors ?? [];
    const errors = samples.map((sample) => readSample(code, sample)).filter((error) => error !== undefined);
    return {
      code,
      errors,
      message: samples.map(messageOfSample).find(Boolean) ?? "Stripe reported it without a sample",
      unnamed: (count ?? 0) - errors.length,
      unreadable: samples.length - errors.length,
    };
  });
  const [most] = types.toSorted((one, other) => other.unnamed - one.unnamed);
  return {
    errorCount: data.reason.error_count,
    unnamed: most && { code: most.code, message: most.message },
    validationStart: data.validation_start,
    validationEnd: data.validation_end,
    errors: types.flatMap(({ errors }) => errors),
    unreadable: types.reduce((sum, { unreadable }) => sum + unreadable, 0),
  };
}
