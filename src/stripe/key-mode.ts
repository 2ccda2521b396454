export type KeyMode = "live" | "test";

/**
 * Whether a secret or restricted key is one of the live account: Stripe writes the mode into its keys. Without a key:
 * false.
 */
export function modeOfKey(apiKey: string | undefined): KeyMode {
  return /^\w+_live_/.test(apiKey ?? "") ? "live" : "test";
}
