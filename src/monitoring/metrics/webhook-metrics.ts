import { Counter, type Registry } from "prom-client";
import { refusalReasons, type WebhookCounts } from "../../billing/webhook-watch.ts";

/** Counts webhooks that change nothing. All begin at zero, so that the first one is an increase. */
export function countWebhooks(registry: Registry): WebhookCounts {
  const duplicates = new Counter({
    name: "meter_outbox_webhook_duplicates_total",
    help: "Webhooks whose event was stored already",
    registers: [registry],
  });
  const refusals = new Counter({
    name: "meter_outbox_webhook_refusals_total",
    help: "Webhooks that were answered 400, by reason",
    labelNames: ["reason"],
    registers: [registry],
  });
  for (const reason of refusalReasons) refusals.inc({ reason }, 0);
  return {
    onDuplicate: () => duplicates.inc(),
    onRefused: (reason) => refusals.inc({ reason }),
  };
}
