import { setTimeout as sleep } from "node:timers/promises";
import type { OperatorApi } from "./operator-api.ts";
import { changePlan, type SubscribeDeps, untilSubscribed } from "./subscribe.ts";
import type { Account } from "./accounts.ts";
import { replayGateway, type BatchAnswer } from "./gateway.ts";
import { planReplay } from "./replay-plan.ts";
import type { HourlyTemperature } from "./temperatures.ts";

const lookEveryMs = 50;

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
  { apiUrl, signal, paceMs = 0 }: { apiUrl: string; signal: AbortSignal; paceMs?: number },
  accounts: readonly Account[],
  temperatures: readonly HourlyTemperature[],
): Replay {
  const tallies = new Map<Account, Tally>();
  const tallyOf = (account: Account) => tallies.get(account) ?? emptyTally;
  let isDone = false;

  async function replayOrganization(account: Account): Promise<void> {
    const { gateways } = account.organization;
    const connection = { apiUrl, apiKey: account.apiKey, signal, paceMs };
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

/** The API's answers about one organization's readings; readings that are sent again count again. */
export type Tally = { accepted: number; duplicates: number; rejected: number };

export const emptyTally: Tally = { accepted: 0, duplicates: 0, rejected: 0 };

/** Adds one answer to a tally, or one tally to another. */
export function addToTally(tally: Tally, answer: BatchAnswer): Tally {
  return {
    accepted: tally.accepted + answer.accepted,
    duplicates: tally.duplicates + answer.duplicates,
    rejected: tally.rejected + answer.rejected,
  };
}

/** Every reading that the API answered for. */
export function sentReadings({ accepted, duplicates, rejected }: Tally): number {
  return accepted + duplicates + rejected;
}

export type ChangeDeps = SubscribeDeps & {
  api: Pick<OperatorApi, "linkCustomer" | "readSubscription">;
  signal: AbortSignal;
};

/**
 * Has the organizations that change their plan do so when half of their readings are taken, and waits until the service
 * follows the new subscription. A sandbox has no checkout that completes by itself, so nothing changes there.
 */
export async function changePlans(
  deps: ChangeDeps,
  { accounts, replay }: { accounts: readonly Account[]; replay: Replay },
): Promise<void> {
  if (deps.side.kind === "sandbox") return;
  const changing = accounts.filter(({ organization }) => organization.joining === "plan_change");
  await Promise.all(
    changing.map(async (account) => {
      while (replay.tallyOf(account).accepted < replay.readingsEach / 2 && !replay.isDone()) {
        await sleep(lookEveryMs, undefined, { signal: deps.signal });
      }
      const stripeSubscriptionId = await changePlan(deps, account);
      await untilSubscribed(deps, { ...account, stripeSubscriptionId });
    }),
  );
}
