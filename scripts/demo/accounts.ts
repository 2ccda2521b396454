import { registerSensors } from "./gateway.ts";
import type { Link, OperatorApi } from "./operator-api.ts";
import { type DemoOrganization, demoOrganizations } from "./replay-plan.ts";
import type { StripeAccount } from "./stripe-account.ts";
import { subscribe, untilSubscribed } from "./subscribe.ts";
import type { StripeSide } from "./stripe-side.ts";

/** An organization as both sides know it: the service, and the Stripe account that bills it. */
export type Account = Link & {
  organization: DemoOrganization;
  apiKey: string;
};

export type Offices = {
  api: OperatorApi;
  stripe: StripeAccount;
  side: StripeSide;
  startWorker: () => Promise<void>;
  signal: AbortSignal;
};

/**
 * Opens an account for every organization and resolves when all of them are subscribed. An hour's sensors are counted
 * once, so they are registered before the first subscription. The worker starts after that: it counts the organizations
 * that are linked by then, as all are in a sandbox, and counts others as soon as a checkout links them.
 */
export async function openAccounts(offices: Offices): Promise<Account[]> {
  const { api, signal } = offices;
  const accounts = await Promise.all(
    demoOrganizations.map((organization) => openAccount(offices, organization)),
  );
  await Promise.all(accounts.map((account) => subscribe(offices, account, account.organization.joining)));
  await offices.startWorker();
  await Promise.all(accounts.map((account) => untilSubscribed({ api, signal }, account)));
  return accounts;
}

async function openAccount(
  { api, stripe, signal }: Offices,
  organization: DemoOrganization,
): Promise<Account> {
  const { name, gateways } = organization;
  const { id: organizationId } = await api.createOrganization(name);
  const { key: apiKey } = await api.createKey(organizationId, "gateways");
  const sensorIds = gateways.flatMap((gateway) => gateway.sensorIds);
  await registerSensors({ apiUrl: api.url, apiKey, signal }, sensorIds);
  const stripeCustomerId = await stripe.createCustomer(name);
  return { organization, organizationId, apiKey, stripeCustomerId };
}
