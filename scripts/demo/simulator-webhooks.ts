import { controlSimulator } from "./simulator-control.ts";

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

/** Has the simulator send every event twice at the same time, to whatever endpoints it has. */
export async function sendEachEventTwice(simulator: { apiBase: string }): Promise<void> {
  await controlSimulator(simulator, "settings", { webhook_copies: copiesOfEachEvent });
}

/** Where the API takes Stripe's events. */
export function webhookUrl(apiUrl: string): string {
  return `${apiUrl}/webhooks/stripe`;
}
