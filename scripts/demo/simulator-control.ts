import pg from "pg";
import { openStripeAccount } from "./stripe-account.ts";
import type { StripeSide } from "./stripe-side.ts";

const requestTimeoutMs = 15_000;

/** Calls one of the simulator's control endpoints, which Stripe does not have. Throws its refusals. */
export async function controlSimulator(
  { apiBase }: { apiBase: string },
  path: string,
  body: unknown,
): Promise<void> {
  const answer = await fetch(`${apiBase}/_simulator/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(requestTimeoutMs),
  });
  if (!answer.ok) throw new Error(`the simulator refused ${path}: ${await answer.text()}`);
}

/** An endpoint can get the same event more than once (docs.stripe.com/webhooks#handle-duplicate-events). */
const copiesOfEachEvent = 2;

export type WebhookEndpoint = { apiUrl: string; secret: string };

/** Has the simulator send its signed events to the API, every one of them twice at the same time. */
export async function sendWebhooks(
  simulator: { apiBase: string },
  { apiUrl, secret }: WebhookEndpoint,
): Promise<void> {
  await sendEachEventTwice(simulator);
  const endpoint = { url: webhookUrl(apiUrl), secrets: [secret], payload: "both" };
  await controlSimulator(simulator, "webhook_endpoints", endpoint);
}

/** Has the simulator send every event twice at the same time, to all its endpoints. */
export async function sendEachEventTwice(simulator: { apiBase: string }): Promise<void> {
  await controlSimulator(simulator, "settings", { webhook_copies: copiesOfEachEvent });
}

/** Where the API takes Stripe's events. */
export function webhookUrl(apiUrl: string): string {
  return `${apiUrl}/webhooks/stripe`;
}

/** Gives a simulator, which forgets everything when it ends, the meters, and the customers that the database knows. */
export async function furnishSimulator(simulator: StripeSide, databaseUrl: string): Promise<void> {
  await openStripeAccount(simulator);
  const ids = await listCustomers(databaseUrl);
  if (ids.length > 0) await controlSimulator(simulator, "customers", { ids });
}

async function listCustomers(databaseUrl: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl, ssl: false });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string }>(`
      select distinct stripe_customer_id as id
      from metering.customer_links
      where customer_deleted_at is null
    `);
    return rows.map(({ id }) => id);
  } finally {
    await client.end();
  }
}
