import type { Answer } from "./answer.ts";
import { keyForbidden, keyRefused, permissionMissing } from "./errors.ts";

const keyForm = /^(?:sk|rk)_(test|live)_\S+$/;

/** The permission of a restricted key for a resource. */
type Permission = "none" | "read" | "write";

/** The operator's rules about a key; a key without one is active and may do everything. */
export type KeyDecree = {
  status: KeyStatus;
  /** By the path's second segment, such as `invoices`; resources that are not named may be written. */
  permissions: Readonly<Record<string, Permission>>;
};

export type KeyStatus = "active" | "revoked" | "forbidden";

export type Authentication =
  | { authenticated: true; apiKey: string; livemode: boolean }
  | { authenticated: false; answer: Answer };

type Call = { header: string | undefined; method: string; path: string };

/**
 * Any well-formed secret or restricted key is good, unless it was revoked (401) or forbidden (403). A restricted key
 * lacks permissions by resource (docs.stripe.com/keys/restricted-api-keys, certain), and gets a 403 there before
 * anything else is looked at (our guess).
 */
export function authenticate(
  keys: ReadonlyMap<string, KeyDecree>,
  { header, method, path }: Call,
): Authentication {
  const apiKey = bearerOf(header);
  if (apiKey === undefined)
    return { authenticated: false, answer: keyRefused("You did not provide an API key.") };
  const mode = keyForm.exec(apiKey)?.[1];
  const decree = keys.get(apiKey);
  if (mode === undefined || decree?.status === "revoked") {
    return { authenticated: false, answer: keyRefused(`Invalid API Key provided: ${masked(apiKey)}`) };
  }
  if (decree?.status === "forbidden") return { authenticated: false, answer: keyForbidden() };
  const resource = path.split("/")[2] ?? "";
  const permission = decree?.permissions[resource] ?? "write";
  if (permission === "none" || (permission === "read" && method !== "GET")) {
    return { authenticated: false, answer: permissionMissing(masked(apiKey)) };
  }
  return { authenticated: true, apiKey, livemode: mode === "live" };
}

/** The token of an `Authorization: Bearer` header. */
export function bearerOf(header: string | undefined): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(header ?? "")?.[1];
}

function masked(apiKey: string): string {
  return `${apiKey.slice(0, 8)}${"*".repeat(Math.max(0, Math.min(16, apiKey.length - 8)))}`;
}
