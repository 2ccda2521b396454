import { unescape } from "node:querystring";
import type { SendAlert } from "./tell-alerts.ts";

const timeoutMs = 10_000;

/** Posts to the receiver. Its address holds a secret, so of a failed request only the error's code is passed on. */
export function sendAlertTo(url: string): SendAlert {
  const { address, authorization } = splitCredentials(url);
  return async (post) => {
    try {
      const answer = await fetch(address, {
        method: "POST",
        headers: { "content-type": "application/json", ...authorization },
        body: JSON.stringify(post),
        redirect: "manual",
        signal: AbortSignal.timeout(timeoutMs),
      });
      await answer.body?.cancel();
      return answer.ok ? undefined : `HTTP ${answer.status}`;
    } catch (error) {
      return describe(error);
    }
  };
}

/** `fetch` refuses an address with a user and a password in it. */
function splitCredentials(url: string): { address: URL; authorization: Record<string, string> } {
  const address = new URL(url);
  if (address.username === "" && address.password === "") return { address, authorization: {} };
  const credentials = `${unescape(address.username)}:${unescape(address.password)}`;
  address.username = "";
  address.password = "";
  return {
    address,
    authorization: { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` },
  };
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  if (error.name === "TimeoutError") return `no answer within ${timeoutMs / 1_000} seconds`;
  const { cause } = error;
  return cause instanceof Error && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : error.name;
}
