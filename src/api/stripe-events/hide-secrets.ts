const hidden = "[hidden]";

/** Members of Stripe's objects that grant access: `client_secret`, an endpoint's `secret`, an ephemeral key's. */
const secretMember = /^(?:[a-z_]*_)?(?:secret|password|token)$/i;
/** Keys, signing secrets and client secrets as Stripe writes them, and our API keys, wherever they stand. */
const secretText =
  /(?:(?:sk|rk|ek)_(?:live|test)_|whsec_|\bmo_)[\w-]{8,}|\b(?:pi|seti|cs|src|si|ct)_\w+?_secret_\w+/g;

/** A Stripe event's payload for people to look at: secrets are hidden, everything else is as it came. */
export function hideSecrets(payload: unknown): unknown {
  if (typeof payload === "string") return payload.replaceAll(secretText, hidden);
  if (Array.isArray(payload)) return payload.map(hideSecrets);
  if (typeof payload !== "object" || payload === null) return payload;
  return Object.fromEntries(
    Object.entries(payload).map(([name, value]) => [
      name,
      secretMember.test(name) && value !== null ? hidden : hideSecrets(value),
    ]),
  );
}
