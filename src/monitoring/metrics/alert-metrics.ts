import { Counter, type Registry } from "prom-client";

/** Counts posts to ALERT_WEBHOOK_URL. */
export function countAlertPosts(registry: Registry): (result: "taken" | "failed") => void {
  const posts = new Counter({
    name: "meter_outbox_alert_posts_total",
    help: "Posts to ALERT_WEBHOOK_URL, by result: taken, or failed and made again later",
    labelNames: ["result"],
    registers: [registry],
  });
  return (result) => posts.inc({ result });
}
