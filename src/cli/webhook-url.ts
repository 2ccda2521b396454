const path = "/webhooks/stripe";

export type WebhookUrl = { kind: "url"; url: string } | { kind: "refused"; reason: string };

/** Reads the address that Stripe is to send its events to. */
export function parseWebhookUrl(text: string, { isLive }: { isLive: boolean }): WebhookUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    return { kind: "refused", reason: `must be a whole URL, such as https://api.example.com${path}` };
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    return { kind: "refused", reason: "must have neither credentials, nor a query, nor a fragment" };
  }
  if (!url.pathname.endsWith(path)) {
    return { kind: "refused", reason: `must end with ${path}, where the API takes Stripe's events` };
  }
  if (isLive && url.protocol !== "https:") {
    return { kind: "refused", reason: "must begin with https:// for a live key: Stripe sends nothing else" };
  }
  return { kind: "url", url: url.href };
}
