const redacted = "[redacted]";

/** API keys, whole or cut; Stripe's keys and signing secrets. */
const secretForms =
  /(?<![A-Za-z0-9])mo_[\w-]{20,}|mo_[\w-]{43}|[sr]k_(?:test|live)_\w{8,}|whsec_[\w+/=-]{4,}/;

export type LooksSecret = (text: string) => boolean;

/**
 * Finds texts that look like a key or a token, or that hold one of the process's own `secrets`, also percent-encoded.
 */
export function createSecretTest(secrets: readonly string[]): LooksSecret {
  const holdsOne = (text: string) =>
    secretForms.test(text) || secrets.some((secret) => text.includes(secret));
  return (text) => holdsOne(text) || (text.includes("%") && holdsOne(decoded(text)));
}

/** The path for the log, with every part that looks like a secret left out. */
export function redactPath(path: string, looksSecret: LooksSecret): string {
  if (!looksSecret(path)) return path;
  const parts = path.split("/").map((part) => (looksSecret(part) ? redacted : part));
  const shown = parts.join("/");
  // A token may itself hold slashes.
  return looksSecret(shown) ? redacted : shown;
}

/** Byte by byte, since one broken sequence must not hide the rest. */
function decoded(text: string): string {
  return text.replaceAll(/%([\dA-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCodePoint(Number.parseInt(hex, 16)),
  );
}
