import type { OperatorApi } from "./operator-api.ts";
import type { DemoOrganization } from "./organizations.ts";
import type { StripeAccount } from "./stripe-account.ts";

/** An organization as both sides know it: the service, and the Stripe account that bills it. */
export type Account = {
  organization: DemoOrganization;
  organizationId: string;
  apiKey: string;
  stripeCustomerId: string;
};

/** Creates an organization with an API key and links it to a new Stripe customer. */
export async function openAccount(
  { api, stripe }: { api: OperatorApi; stripe: StripeAccount },
  organization: DemoOrganization,
): Promise<Account> {
  const { id: organizationId } = await api.createOrganization(organization.name);
  const { key: apiKey } = await api.createKey(organizationId, "gateways");
  const stripeCustomerId = await stripe.createCustomer(organization.name);
  await api.linkCustomer(organizationId, stripeCustomerId);
  return { organization, organizationId, apiKey, stripeCustomerId };
}
