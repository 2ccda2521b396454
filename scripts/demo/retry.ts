import { setTimeout as sleep } from "node:timers/promises";
import { ApiRefusal } from "./api-call.ts";

const firstWaitMs = 200;
const waitMsMax = 3_000;
const attemptsMax = 10;
const temporaryStatuses = [429, 503];

/**
 * Does what a gateway does when the API is away or overloaded: tries again, with growing pauses or the one that the
 * API asks for. Throws the last failure when it lasts, and any other failure at once.
 */
export async function withRetry<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!isTemporary(error) || attempts === attemptsMax) throw error;
      await sleep(waitMs(error, attempts), undefined, { signal });
    }
  }
}

function isTemporary(error: unknown): boolean {
  if (error instanceof ApiRefusal) return temporaryStatuses.includes(error.status);
  // fetch throws a TypeError for a connection refused or broken, and a TimeoutError at the deadline.
  return error instanceof TypeError || (error instanceof DOMException && error.name === "TimeoutError");
}

function waitMs(error: unknown, attempts: number): number {
  const asked = error instanceof ApiRefusal ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(asked, Math.min(waitMsMax, firstWaitMs * 2 ** (attempts - 1)));
}
