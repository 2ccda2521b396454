import { setTimeout as sleep } from "node:timers/promises";
import type { Account } from "./accounts.ts";
import type { OperatorApi } from "./operator-api.ts";
import type { Replay } from "./replay.ts";
import { changePlan, type SubscribeDeps } from "./subscribe.ts";
import { untilSubscribed } from "./until-subscribed.ts";

const lookEveryMs = 50;

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
