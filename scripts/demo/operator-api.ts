import { z } from "zod";
import { callApi } from "./api-call.ts";
import { withRetry } from "./retry.ts";

const counted = z.object({ count: z.int() });
const outboxSchema = z.object({
  unsealed: z.object({ entries: z.int() }),
  meter_events: z.object({ pending: counted, delivered: counted, confirmed: counted }),
  paused: z.array(z.object({ scope: z.string(), reason: z.string() })),
});

export type Outbox = z.infer<typeof outboxSchema>;

/** What the demo asks of the API as its operator, over HTTP. */
export type OperatorApi = {
  url: string;
  createOrganization: (name: string) => Promise<{ id: string }>;
  createKey: (organizationId: string, name: string) => Promise<{ key: string }>;
  linkCustomer: (organizationId: string, stripeCustomerId: string) => Promise<void>;
  readOutbox: () => Promise<Outbox>;
};

/** Speaks for the operator until the signal comes. Everything throws what the API refuses. */
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
    linkCustomer: async (id, stripeCustomerId) => {
      const body = { stripe_customer_id: stripeCustomerId, status: "active" };
      await call("PUT", `/v1/organizations/${id}/subscription`, z.unknown(), body);
    },
    readOutbox: () => withRetry(() => call("GET", "/v1/outbox", outboxSchema), signal),
  };
}
