import type { Answer } from "./answer.ts";
import { keyForbidden, keyRefused } from "./errors.ts";

const KEY_FORM = /^(?:sk|rk)_(test|live)_\S+$/;

/** What the operator has decreed about a key; a key without an entry is active. */
export type KeyStatus = "active" | "revoked" | "forbidden";

export type Authentication =
  | { authenticated: true; apiKey: string; livemode: boolean }
  | { authenticated: false; answer: Answer };

/** Any well-formed secret or restricted key is good, unless it was revoked (401) or forbidden (403). */
export function authenticate(
  keys: ReadonlyMap<string, KeyStatus>,
  header: string | undefined,
): Authentication {
  const apiKey = bearerOf(header);
  if (apiKey === undefined)
    return { authenticated: false, answer: keyRefused("You did not provide an API key.") };
  const mode = KEY_FORM.exec(apiKey)?.[1];
  const status = keys.get(apiKey) ?? "active";
  if (mode === undefined || status === "revoked") {
    return { authenticated: false, answer: keyRefused(`Invalid API Key provided: ${masked(apiKey)}`) };
  }
  if (status === "forbidden") return { authenticated: false, answer: keyForbidden() };
  return { authenticated: true, apiKey, livemode: mode === "live" };
}

/** The token of an `Authorization: Bearer` header. */
export function bearerOf(header: string | undefined): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(header ?? "")?.[1];
}

function masked(apiKey: string): string {
  return `${apiKey.slice(0, 8)}${"*".repeat(Math.max(0, Math.min(16, apiKey.length - 8)))}`;
}
