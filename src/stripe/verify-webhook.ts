import Stripe from "stripe";

/** How old, or how far ahead of us, a signature may be. Stripe signs each retry afresh. */
const toleranceSeconds = 300;

export type WebhookDelivery = { payload: string; signature: string | undefined };

/**
 * Whether one of the secrets signed the payload, not more than five minutes ago or ahead
 * (docs.stripe.com/webhooks/signature). The SDK itself looks only at the past and at one secret.
 */
export function isSignedByStripe(
  { payload, signature }: WebhookDelivery,
  { secrets, now }: { secrets: readonly string[]; now: Date },
): boolean {
  const verifier = Stripe.webhooks.signature;
  if (verifier === null) throw new Error("the Stripe SDK was built without webhook signatures");
  if (signature === undefined || payload === "") return false;
  const signedAt = Number(/(?:^|,)t=(\d{1,12})(?:,|$)/.exec(signature)?.[1]);
  const aheadSeconds = signedAt - now.getTime() / 1_000;
  if (Number.isNaN(aheadSeconds) || Math.abs(aheadSeconds) > toleranceSeconds) return false;
  return secrets.some((secret) => isSignedWith(verifier, { payload, signature, secret }));
}

function isSignedWith(
  verifier: Stripe.Signature,
  { payload, signature, secret }: { payload: string; signature: string; secret: string },
): boolean {
  try {
    return verifier.verifyHeader(payload, signature, secret, toleranceSeconds);
  } catch (error) {
    if (error instanceof Stripe.errors.StripeSignatureVerificationError) return false;
    throw error;
  }
}
