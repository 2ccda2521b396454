import type { Stack } from "./stack.ts";

/** Where to look while the servers are up. The token opens this run's API only, and dies with it. */
export function renderPlaces({ apiUrl, workerUrl, databaseUrl, adminToken, stripe }: Stack): string {
  const biller =
    stripe.kind === "simulator"
      ? [
          `simulator     ${stripe.apiBase}`,
          `its state     ${stripe.apiBase}/_simulator/state`,
          `its bill      ${stripe.apiBase}/_simulator/bill`,
          `its webhooks  ${stripe.apiBase}/_simulator/webhook_deliveries`,
        ]
      : ["Stripe        https://dashboard.stripe.com/test/customers"];
  return [
    `API           ${apiUrl}`,
    `its pages     ${apiUrl}/docs`,
    `outbox        curl -H 'Authorization: Bearer ${adminToken}' ${apiUrl}/v1/outbox`,
    `worker        ${workerUrl}`,
    ...biller,
    `DATABASE_URL  ${databaseUrl}`,
    `ADMIN_TOKEN   ${adminToken}`,
  ].join("\n");
}
