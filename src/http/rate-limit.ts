import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { Problem } from "./problem.ts";

/** Counts one request of a key. Throws the 429 when it is one too many in this second. */
export type LimitRequests = (keyId: string) => Promise<void>;

/** A key owes time for its readings: they are charged as they come, and while the key owes too much it is refused. */
export type ReadingsLimit = {
  /** Throws the 429 while the key owes more than a second. */
  admit: (keyId: string) => Promise<void>;
  charge: (keyId: string, readings: number) => Promise<void>;
};

const secondMs = 1_000;
/** Also keeps the store's timers below the longest time that Node can wait. */
const owedSecondsMax = 86_400;

/** Limits the requests of each key; undefined when `perSecond` is 0, which means that there is no limit. */
export function limitRequests(perSecond: number): LimitRequests | undefined {
  if (perSecond === 0) return undefined;
  const limiter = new RateLimiterMemory({ points: perSecond, duration: 1 });
  return async (keyId) => {
    try {
      await limiter.consume(keyId);
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      throw rateLimited(`${perSecond} requests`, refusal.msBeforeNext);
    }
  };
}

/**
 * Limits the readings of each key, on average; undefined when `perSecond` is 0. How many readings a body has is not
 * known before it is read, and one request may bring many seconds' worth. So a request is let through whole or refused
 * before anything of it is stored: readings are charged as they come, and the next request waits until they are paid.
 */
export function limitReadings(perSecond: number): ReadingsLimit | undefined {
  if (perSecond === 0) return undefined;
  // An entry expires when its key owes nothing any more, so that the store holds debtors only.
  const debts = new RateLimiterMemory({ points: perSecond, duration: 1 });
  const owedMs = async (keyId: string) => (await debts.get(keyId))?.msBeforeNext ?? 0;
  let charged = Promise.resolve();

  async function addDebt(keyId: string, readings: number): Promise<void> {
    const owedSeconds = Math.max(0, await owedMs(keyId)) / secondMs + readings / perSecond;
    await debts.block(keyId, Math.min(owedSeconds, owedSecondsMax));
  }

  return {
    admit: async (keyId) => {
      const tooMuchMs = (await owedMs(keyId)) - secondMs;
      if (tooMuchMs > 0) throw rateLimited(`${perSecond} readings`, tooMuchMs);
    },
    charge: (keyId, readings) => {
      // One after the other: of two calls that saw the same debt, only one would add to it.
      charged = charged.then(() => addDebt(keyId, readings));
      return charged;
    },
  };
}

function rateLimited(allowance: string, waitMs: number): Problem {
  const seconds = Math.max(1, Math.ceil(waitMs / secondMs));
  const detail = `This key may send ${allowance} a second. Nothing of this request was stored; send it again in ${seconds} s.`;
  return new Problem({
    status: 429,
    code: "rate_limited",
    detail,
    headers: { "retry-after": String(seconds) },
  });
}
