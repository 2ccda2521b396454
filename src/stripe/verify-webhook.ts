import Stripe from "stripe";

/** A signature may be this old, or this far ahead of us. Stripe signs each retry anew. */
const toleranceSeconds = 300;

export type WebhookDelivery = { payload: string; signature: string | undefined };

/**
 * Why a webhook is refused. `other_secret`: signed just now, in Stripe's form, and by none of our secrets, as when the
 * endpoint's secret is another one.
 */
export const signatureFaults = [
  "no_signature",
  "malformed",
  "empty_body",
  "too_old",
  "in_future",
  "other_secret",
] as const;
export type SignatureFault = (typeof signatureFaults)[number];

/**
 * What is wrong with the signature; undefined when one of the secrets signed the payload, not more than five minutes
 * ago or ahead (docs.stripe.com/webhooks/signature). The SDK itself looks only at the past and at one secret, and
 * throws another error for malformed signatures.
 */
export function signatureFault(
  { payload, signature }: WebhookDelivery,
  { secrets, now }: { secrets: readonly string[]; now: Date },
): SignatureFault | undefined {
  if (signature === undefined || signature === "") return "no_signature";
  const signedAt = /(?:^|,)t=(\d{1,12})(?:,|$)/.exec(signature)?.[1];
  const digests = signature.split(",").filter((part) => /^v1=[0-9a-f]{64}$/.test(part));
  if (signedAt === undefined || digests.length === 0) return "malformed";
  if (payload === "") return "empty_body";
  const aheadSeconds = Number(signedAt) - now.getTime() / 1_000;
  if (aheadSeconds > toleranceSeconds) return "in_future";
  if (aheadSeconds < -toleranceSeconds) return "too_old";
  const header = [`t=${signedAt}`, ...digests].join(",");
  return secrets.some((secret) => isSignedWith({ payload, header, secret })) ? undefined : "other_secret";
}

function isSignedWith({
  payload,
  header,
  secret,
}: {
  payload: string;
  header: string;
  secret: string;
}): boolean {
  const verifier = Stripe.webhooks.signature;
  if (verifier === null) throw new Error("the Stripe SDK was built without webhook signatures");
  try {
    return verifier.verifyHeader(payload, header, secret, toleranceSeconds);
  } catch (error) {
    if (error instanceof Stripe.errors.StripeSignatureVerificationError) return false;
    throw error;
  }
}
