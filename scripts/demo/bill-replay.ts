import { openAccounts } from "./accounts.ts";
import { drawUpBill, type BillLine } from "./bill.ts";
import { createOperatorApi, type Outbox } from "./operator-api.ts";
import { demoOrganizations } from "./replay-plan.ts";
import type { Progress } from "./progress.ts";
import { type Tally, addToTally, changePlans, emptyTally, startReplay } from "./replay.ts";
import type { DemoStack } from "./stack.ts";
import { openStripeAccount } from "./stripe-account.ts";
import { drawUpStatements, isEqual, type Statement } from "./statements.ts";
import { mendByEvidence, spoilStripe } from "./stripe-faults.ts";
import { describeSubscribing } from "./subscribe.ts";
import { loadTemperatures } from "./temperatures.ts";
import type { DemoOutcome } from "./bill-table.ts";
import { setTimeout as sleep } from "node:timers/promises";

/** How long billing may take after the last reading, and the sensors' count and Stripe's summaries after that. */
const patienceOf = {
  simulator: { billing: 60_000, summaries: 15_000 },
  sandbox: { billing: 120_000, summaries: 300_000 },
};

/** The facts about the servers that the replay needs, whether the demo started them or another program. */
export type Servers = Omit<DemoStack, "workerUrl" | "signInCode">;

export type Billing = {
  servers: Servers;
  progress: Progress;
  signal: AbortSignal;
  /** Has a simulator misbehave, and shows what the service has found and mended. */
  faults?: boolean;
  /** How long each gateway waits after a batch, so that people can watch the console meanwhile; 0 by default. */
  paceMs?: number;
  /** Told how far the demo came, so that a failure can say so. */
  report: (outcome: DemoOutcome) => void;
};

export type Result = {
  bill: BillLine[];
  /** Of a simulator, whose billing periods can be ended. */
  statements: Statement[] | undefined;
};

/** Has the organizations subscribe, replays their readings, waits until all is billed, and returns bill and statements. */
export async function billReplay(billing: Billing): Promise<Result> {
  const { servers, progress, signal, report, faults, paceMs = 0 } = billing;
  const startedAt = new Date();
  const patience = patienceOf[servers.stripe.kind];
  const temperatures = await loadTemperatures(startedAt);
  const stripe = await openStripeAccount(servers.stripe);
  const api = createOperatorApi({ url: servers.apiUrl, adminToken: servers.adminToken, signal });
  const { startWorker } = servers;
  const accounts = await openAccounts({ api, stripe, side: servers.stripe, startWorker, signal });
  progress.say(describeSubscribing(servers.stripe, accounts.length));
  progress.say(describeReplay(accounts.length, temperatures.length));

  const isSpoilt = faults === true && servers.stripe.kind === "simulator";
  const steady = accounts.filter(({ organization }) => organization.joining !== "plan_change");
  if (isSpoilt) {
    await spoilStripe(
      servers.stripe,
      steady.map(({ stripeCustomerId }) => stripeCustomerId),
    );
  }
  const replay = startReplay({ apiUrl: api.url, signal, paceMs }, accounts, temperatures);
  const follow = () =>
    followBilling({
      readOutbox: api.readOutbox,
      isReplayDone: replay.isDone,
      patienceMs: patience.billing,
      signal,
      onOutbox: (outbox) => {
        const tally = accounts.map(replay.tallyOf).reduce(addToTally, emptyTally);
        progress.show(describeProgress(tally, outbox));
        report({ organizations: accounts.length, readings: tally.accepted });
      },
    });
  const following = follow();
  const changing = changePlans({ api, stripe, side: servers.stripe, signal }, { accounts, replay });
  await Promise.all([replay.done, following, changing]);
  if (servers.stripe.kind === "simulator")
    progress.say("one organization changed to another subscription in the middle");

  if (isSpoilt) {
    progress.say(
      await mendByEvidence({ side: servers.stripe, databaseUrl: servers.databaseUrl, api, signal }),
    );
    await follow();
  }

  const books = { databaseUrl: servers.databaseUrl, stripe, replay, startedAt };
  const bill = await drawUpBill({ ...books, patienceMs: patience.summaries, signal }, accounts);
  report({ bill });
  if (servers.stripe.kind !== "simulator") return { bill, statements: undefined };
  const side = { side: servers.stripe, stripe, databaseUrl: servers.databaseUrl, startedAt, signal };
  const statements = await drawUpStatements(side, accounts, bill);
  report({ bill, areStatementsEqual: statements.every(isEqual) });
  return { bill, statements };
}

function describeReplay(organizations: number, readingsEach: number): string {
  const gateways = demoOrganizations.reduce((sum, organization) => sum + organization.gateways.length, 0);
  const readings = counted(organizations * readingsEach);
  return `${gateways} gateways of ${organizations} organizations post ${readings} hourly temperatures`;
}

function describeProgress({ accepted, duplicates, rejected }: Tally, outbox: Outbox): string {
  const { pending, delivered } = outbox.meter_events;
  return [
    `readings accepted ${counted(accepted)}, sent again ${counted(duplicates)}`,
    ...(rejected > 0 ? [`REJECTED ${counted(rejected)}`] : []),
    `entries unsealed ${counted(outbox.unsealed.entries)}`,
    `meter events pending ${counted(pending.count)}, delivered ${counted(delivered.count)}`,
  ].join(" · ");
}

function counted(amount: number): string {
  return amount.toLocaleString("en-US");
}

const pollEveryMs = 200;

type Following = {
  readOutbox: () => Promise<Outbox>;
  isReplayDone: () => boolean;
  onOutbox: (outbox: Outbox) => void;
  /** How long billing may take once the replay is done. */
  patienceMs: number;
  signal: AbortSignal;
};

/**
 * Watches the outbox until the replay is done and nothing in it waits any more. Throws with what still waits, and why
 * if the API knows, when that takes too long.
 */
async function followBilling(following: Following): Promise<void> {
  let deadlineMs = Number.POSITIVE_INFINITY;
  for (;;) {
    // Asked before the outbox, so that an empty outbox after the last reading really is empty.
    const isReplayDone = following.isReplayDone();
    const outbox = await following.readOutbox();
    following.onOutbox(outbox);
    if (isReplayDone && isDrained(outbox)) return;
    if (isReplayDone) deadlineMs = Math.min(deadlineMs, performance.now() + following.patienceMs);
    if (performance.now() > deadlineMs) throw new Error(describeDelay(outbox, following.patienceMs));
    await sleep(pollEveryMs, undefined, { signal: following.signal });
  }
}

function isDrained({ unsealed, meter_events: events }: Outbox): boolean {
  return unsealed.entries === 0 && events.pending.count === 0;
}

function describeDelay({ unsealed, meter_events: events, paused }: Outbox, patienceMs: number): string {
  const pauses = paused.map(({ scope, reason }) => `; delivery is paused for ${scope}: ${reason}`).join("");
  return (
    `${patienceMs / 1_000} seconds after the last reading ${unsealed.entries} entries are not sealed and ` +
    `${events.pending.count} meter events not delivered${pauses}`
  );
}
