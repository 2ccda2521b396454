import { createClock, type Clock } from "./clock.ts";
import type { Fault } from "./faults/fault.ts";
import type { StoredEvent } from "./events/stored-event.ts";
import { createIds, type NextId } from "./ids.ts";
import { createRandom } from "./random.ts";
import type { IdempotencyStore } from "./request/idempotency.ts";
import { createInFlight, type InFlight } from "./request/in-flight.ts";
import type { KeyDecree } from "./request/keys.ts";
import type { Buckets } from "./request/rate-limit.ts";
import { createReads, type Reads } from "./request/read-quota.ts";
import { createRequestLog, type RequestLog } from "./request/request-log.ts";
import { defaultSettings, type Settings } from "./settings.ts";
import type { AsyncError } from "./usage/async-error.ts";
import { createLedger, type Ledger } from "./usage/ledger.ts";
import type { Meter } from "./usage/meter.ts";
import type { Customer } from "./v1/customer.ts";
import type { CheckoutSession } from "./v1/checkout-session.ts";
import type { Invoice } from "./v1/invoice.ts";
import type { PaymentLink } from "./v1/payment-link.ts";
import type { Price } from "./v1/price.ts";
import type { Product } from "./v1/product.ts";
import type { Subscription } from "./v1/subscription.ts";
import type { TestClock } from "./v1/test-clock.ts";
import type { Session } from "./v2/stream-session.ts";
import { createWebhooks, type Webhooks } from "./webhooks/webhooks.ts";

/** One simulated Stripe account, whole and in memory. */
export type Simulation = {
  clock: Clock;
  settings: Settings;
  random: () => number;
  nextId: NextId;
  keys: Map<string, KeyDecree>;
  meters: Map<string, Meter>;
  meterByEventName: Map<string, Meter>;
  customers: Map<string, Customer>;
  products: Map<string, Product>;
  prices: Map<string, Price>;
  subscriptions: Map<string, Subscription>;
  invoices: Map<string, Invoice>;
  checkoutSessions: Map<string, CheckoutSession>;
  paymentLinks: Map<string, PaymentLink>;
  testClocks: Map<string, TestClock>;
  /** Ends the wait for the finalization of drafts while the clock runs. */
  finalization: { timer: NodeJS.Timeout | undefined; isStopped: boolean };
  sessions: Map<string, Session>;
  /** By id, oldest first. */
  events: Map<string, StoredEvent>;
  webhooks: Webhooks;
  ledger: Ledger;
  asyncErrors: AsyncError[];
  /** How many of them a thin event has told of. */
  asyncErrorsReported: number;
  idempotency: IdempotencyStore;
  inFlight: InFlight;
  buckets: Buckets;
  reads: Reads;
  faults: Fault[];
  requestLog: RequestLog;
  totals: {
    duplicates: number;
    replays: number;
    conflicts: number;
    rateLimited: number;
    faultsFired: number;
  };
};

export type SimulationOptions = { realNowMs?: (() => number) | undefined; seed?: number | undefined };

/** Creates an empty account whose clock runs with real time. */
export function createSimulation(options: SimulationOptions = {}): Simulation {
  return {
    clock: createClock(options.realNowMs),
    settings: { ...defaultSettings },
    random: createRandom(options.seed ?? 1),
    nextId: createIds(),
    keys: new Map(),
    meters: new Map(),
    meterByEventName: new Map(),
    customers: new Map(),
    products: new Map(),
    prices: new Map(),
    subscriptions: new Map(),
    invoices: new Map(),
    checkoutSessions: new Map(),
    paymentLinks: new Map(),
    testClocks: new Map(),
    finalization: { timer: undefined, isStopped: false },
    sessions: new Map(),
    events: new Map(),
    webhooks: createWebhooks(),
    ledger: createLedger(),
    asyncErrors: [],
    asyncErrorsReported: 0,
    idempotency: new Map(),
    inFlight: createInFlight(),
    buckets: new Map(),
    reads: createReads(),
    faults: [],
    requestLog: createRequestLog(),
    totals: { duplicates: 0, replays: 0, conflicts: 0, rateLimited: 0, faultsFired: 0 },
  };
}
