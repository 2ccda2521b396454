import { z } from "zod";
import { callApi, withRetry } from "./api-call.ts";

const counted = z.object({ count: z.int() });
const outboxSchema = z.object({
  unsealed: z.object({ entries: z.int() }),
  meter_events: z.object({ pending: counted, delivered: counted }),
  paused: z.array(z.object({ scope: z.string(), reason: z.string() })),
});

const subscriptionSchema = z.object({
  status: z.string(),
  stripe_customer_id: z.string().nullable(),
  stripe_subscription_id: z.string().nullable(),
});
const organizationSchema = z.object({ subscription: subscriptionSchema.nullable() });

export type Outbox = z.infer<typeof outboxSchema>;
export type SubscriptionShown = z.infer<typeof subscriptionSchema>;

/** Which Stripe customer pays for which organization. */
export type Link = { organizationId: string; stripeCustomerId: string };

/** The demo's calls of the API as its operator, over HTTP. */
export type OperatorApi = {
  url: string;
  createOrganization: (name: string) => Promise<{ id: string }>;
  createKey: (organizationId: string, name: string) => Promise<{ key: string }>;
  linkCustomer: (link: Link) => Promise<void>;
  readSubscription: (organizationId: string) => Promise<SubscriptionShown | null>;
  readOutbox: () => Promise<Outbox>;
  /** Gives every rejected meter event another try. Returns how many there were. */
  retryRejected: () => Promise<number>;
};

/** Calls for the operator until the signal comes. Throws each refusal of the API. */
export function createOperatorApi(access: {
  url: string;
  adminToken: string;
  signal: AbortSignal;
}): OperatorApi {
  const { url, adminToken: token, signal } = access;
  const call = <T>(method: "GET" | "POST" | "PUT", path: string, schema: z.ZodType<T>, body?: unknown) =>
    callApi({ method, url: `${url}${path}`, token, body, signal }, schema);
  return {
    url,
    createOrganization: (name) => call("POST", "/v1/organizations", z.object({ id: z.uuid() }), { name }),
    createKey: (id, name) =>
      call("POST", `/v1/organizations/${id}/api-keys`, z.object({ key: z.string() }), { name }),
    linkCustomer: async ({ organizationId, stripeCustomerId }) => {
      const body = { stripe_customer_id: stripeCustomerId, status: "active" };
      await call("PUT", `/v1/organizations/${organizationId}/subscription`, z.unknown(), body);
    },
    readSubscription: async (id) => {
      const organization = () => call("GET", `/v1/organizations/${id}`, organizationSchema);
      return (await withRetry(organization, signal)).subscription;
    },
    retryRejected: async () => {
      const path = "/v1/meter-events/retry";
      return (await call("POST", path, z.object({ retried: z.int() }), { state: "rejected" })).retried;
    },
    readOutbox: () => withRetry(() => call("GET", "/v1/outbox", outboxSchema), signal),
  };
}
