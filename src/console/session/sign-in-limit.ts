import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";

/** Slows down clients that guess tokens. */
export type SignInLimit = {
  /** The seconds that this address has to wait before its next try; 0 for none. */
  secondsToWait: (address: string) => Promise<number>;
  /** Counts a wrong token. */
  countWrong: (address: string) => Promise<void>;
};

export type SignInLimits = { wrongOfOneMax: number; wrongOfAllMax: number; windowSeconds: number };

const usualLimits: SignInLimits = { wrongOfOneMax: 10, wrongOfAllMax: 100, windowSeconds: 60 };
const everyone = "all";

/**
 * An address waits when it sent ten wrong tokens within a minute. After a hundred wrong tokens from all addresses,
 * every address that sent a wrong one waits, so that guessing from many addresses gets no further, and an operator
 * without a wrong token is still let in.
 */
export function createSignInLimit(changes: Partial<SignInLimits> = {}): SignInLimit {
  const { wrongOfOneMax, wrongOfAllMax, windowSeconds } = { ...usualLimits, ...changes };
  const ofOne = new RateLimiterMemory({ points: wrongOfOneMax, duration: windowSeconds });
  const ofAll = new RateLimiterMemory({ points: wrongOfAllMax, duration: windowSeconds });
  return {
    secondsToWait: async (address) => {
      const own = await ofOne.get(address);
      if (own === null) return 0;
      const all = await ofAll.get(everyone);
      const isOver = own.remainingPoints <= 0 || (all !== null && all.remainingPoints <= 0);
      return isOver ? Math.max(1, Math.ceil(own.msBeforeNext / 1_000)) : 0;
    },
    countWrong: async (address) => {
      await countOne(ofOne, address);
      await countOne(ofAll, everyone);
    },
  };
}

async function countOne(limiter: RateLimiterMemory, key: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (refusal) {
    // One past the limit counts all the same.
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
  }
}
