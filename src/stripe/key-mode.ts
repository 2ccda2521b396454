export type KeyMode = "live" | "test";

/** Whether a secret or restricted key is one of the live account, which Stripe writes into it. No key is not. */
export function modeOfKey(apiKey: string | undefined): KeyMode {
  return /^\w+_live_/.test(apiKey ?? "") ? "live" : "test";
}
