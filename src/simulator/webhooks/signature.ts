import { createHmac } from "node:crypto";

/**
 * The header `Stripe-Signature`: HMAC-SHA256 over `t`, a point and the raw body, one `v1` per active secret
 * (docs.stripe.com/webhooks/signatures, certain).
 */
export function signatureHeader(
  body: string,
  { secrets, timestamp }: { secrets: readonly string[]; timestamp: number },
): string {
  const signatures = secrets.map(
    (secret) => `v1=${createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex")}`,
  );
  return [`t=${timestamp}`, ...signatures].join(",");
}
