import type { Account } from "./accounts.ts";
import { replayGateway } from "./gateway.ts";
import { planReplay } from "./replay-plan.ts";
import { addToTally, emptyTally, type Tally } from "./tally.ts";
import type { HourlyTemperature } from "./temperatures.ts";

export type Replay = {
  /** How many distinct readings each organization sends. */
  readingsEach: number;
  tallyOf: (account: Account) => Tally;
  isDone: () => boolean;
  /** Resolves when every gateway has its answers. */
  done: Promise<void>;
};

/** Has all gateways of all organizations post their readings, all at the same time. */
export function startReplay(
  { apiUrl, signal }: { apiUrl: string; signal: AbortSignal },
  accounts: readonly Account[],
  temperatures: readonly HourlyTemperature[],
): Replay {
  const tallies = new Map<Account, Tally>();
  const tallyOf = (account: Account) => tallies.get(account) ?? emptyTally;
  let isDone = false;

  async function replayOrganization(account: Account): Promise<void> {
    const { gateways } = account.organization;
    const connection = { apiUrl, apiKey: account.apiKey, signal };
    const onAnswer = (answer: Tally) => void tallies.set(account, addToTally(tallyOf(account), answer));
    const plan = planReplay(temperatures, gateways);
    await Promise.all(plan.map((batches) => replayGateway({ ...connection, onAnswer }, batches)));
  }
  async function replayAll(): Promise<void> {
    await Promise.all(accounts.map(replayOrganization));
    isDone = true;
  }
  return { readingsEach: temperatures.length, tallyOf, isDone: () => isDone, done: replayAll() };
}
