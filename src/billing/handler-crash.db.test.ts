import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { stripeEventsQueue } from "../queue/queues.ts";
import type { StripeReads } from "../stripe/reads.ts";
import { endStripeEventLeases, readInbox, readSubscriptionOf } from "../testing/rows/inbox.ts";
import { countWaitingForLocks, holdOpen } from "../testing/postgres/locks.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { stripeSideTest } from "../testing/fixtures/stripe-side-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { type ApplyDeps, applyStripeEvent } from "./apply-event.ts";
import { beginHandling } from "./inbox.ts";
import type { StripeEvent } from "./stripe-event.ts";
import { putSubscription } from "./put-subscription.ts";

/** A crash right after a step of the handler: the rows stay as they are, and no handler finishes the step. */
type Crash = { deps: ApplyDeps; eventId: string };

const test = stripeSideTest.extend("site", async ({ database, boss, account, stripeSide }) => {
  const { db } = database;
  const { simulator } = account;
  simulator.setSettings({ webhook_hold: true });
  const organizationId = await addOrganization(db);
  const { customer, subscription } = await stripeSide.checkOut({ organizationId });
  const eventId = stripeSide.eventOf("checkout.session.completed");
  const deliverCheckout = () => simulator.release({ event_ids: [eventId] });

  /** A later worker finds the job when its lease is over. */
  async function recover(): Promise<void> {
    await endStripeEventLeases(db, boss);
    await stripeSide.startWorker();
    await stripeSide.untilHandled();
  }
  return {
    crash: { deps: stripeSide.applyDeps, eventId },
    organizationId,
    customer,
    subscription,
    deliverCheckout,
    recover,
  };
});

async function fetchJob({ deps: { boss } }: Crash): Promise<void> {
  const jobs = await boss.fetch(stripeEventsQueue.name);
  expect(jobs).toHaveLength(1);
}

async function begin(crash: Crash): Promise<StripeEvent> {
  await fetchJob(crash);
  const begun = await beginHandling(crash.deps.db, crash.eventId);
  if (begun === undefined) throw new Error("the event is not pending");
  return begun.event;
}

/** Handles the event up to the answer of a read, which never reaches the handler. */
async function dieAfterRead(crash: Crash, dies: "first" | "second"): Promise<void> {
  const { reads } = crash.deps;
  const dead = Promise.withResolvers<void>();
  let count = 0;
  const dying: StripeReads = {
    ...reads,
    async readSubscriptions(id) {
      const read = await reads.readSubscriptions(id);
      count += 1;
      if (count < (dies === "first" ? 1 : 2)) return read;
      dead.resolve();
      return new Promise(() => {});
    },
  };
  void applyStripeEvent({ ...crash.deps, reads: dying }, await begin(crash));
  await dead.promise;
}

test.for<[string, (crash: Crash) => Promise<unknown>]>([
  ["its job was fetched", fetchJob],
  ["its attempt was counted", begin],
  ["Stripe was read", (crash) => dieAfterRead(crash, "first")],
  ["the link was written", (crash) => dieAfterRead(crash, "second")],
])(
  "an event whose worker died after %s is handled once by the next",
  async ([, die], { database, site, stripeSide }) => {
    const { crash, organizationId, subscription, deliverCheckout, recover } = site;
    await deliverCheckout();
    await die(crash);

    await recover();

    await expect.poll(() => stripeSide.effectsOf(crash.eventId)).toEqual(["linked"]);
    expect(await readInbox(database.db)).toMatchObject([{ state: "handled" }]);
    expect(await readSubscriptionOf(database.db, organizationId)).toMatchObject({
      subscription,
      status: "active",
    });
  },
);

test("an event whose worker died after the commit is not handled again", async ({
  database: { db },
  site,
  stripeSide,
}) => {
  const { crash, organizationId, deliverCheckout, recover } = site;
  await deliverCheckout();
  await applyStripeEvent(crash.deps, await begin(crash));
  // A second handling of the event would write this status over.
  await sql`update metering.subscriptions set status = 'seen' where organization_id = ${organizationId}`.execute(
    db,
  );

  await recover();
  await until(async () => (await readJobStates(db)).every((state) => state === "completed"), {
    what: "the job to be completed",
  });

  expect(stripeSide.effectsOf(crash.eventId)).toEqual([]);
  expect(await readSubscriptionOf(db, organizationId)).toMatchObject({ status: "seen" });
});

test("a worker process that is killed while it reads Stripe leaves the event to the next", async ({
  database: { db },
  account: { simulator },
  site,
  stripeSide,
  launch,
}) => {
  simulator.addFault({ kind: "never_answer", path: "/v1/subscriptions", times: 1 });
  await site.deliverCheckout();
  const worker = launch("worker");
  await worker.started();
  await until(() => simulator.state().faults_fired === 1, { what: "the read to be under way" });
  await worker.stop("SIGKILL");

  await site.recover();

  expect(await readInbox(db)).toMatchObject([{ state: "handled", attempts: 2 }]);
  await expect.poll(() => stripeSide.effectsOf(site.crash.eventId)).toEqual(["linked"]);
});

test("a worker process that is killed before its commit has written nothing", async ({
  database: { db, pool },
  account: { simulator },
  site: { organizationId, customer, recover },
  stripeSide,
  launch,
}) => {
  await putSubscription(db, organizationId, { ...incomplete, stripeCustomerId: customer });
  const unblock = await holdOpen(pool, "update metering.subscriptions set status = status");
  const eventId = stripeSide.eventOf("customer.subscription.created");
  await simulator.release({ event_ids: [eventId] });
  const worker = launch("worker");
  await worker.started();
  // A starting worker has other sessions that wait for a lock, so a waiting session alone does not tell of the handler.
  const isHandling = async () =>
    (await readInbox(db))[0]?.attempts === 1 && (await countWaitingForLocks(pool)) > 0;
  await until(isHandling, { what: "the handler to be inside its transaction" });
  await worker.stop("SIGKILL");
  await unblock();
  const before = await readInbox(db);

  await recover();

  expect(before).toMatchObject([{ state: "pending", attempts: 1 }]);
  await expect.poll(() => stripeSide.effectsOf(eventId)).toEqual(["synced"]);
  expect(await readSubscriptionOf(db, organizationId)).toMatchObject({ status: "active" });
});

const incomplete = {
  stripeSubscriptionId: null,
  status: "incomplete",
  currentPeriodStart: null,
  currentPeriodEnd: null,
};

async function readJobStates(db: Db): Promise<string[]> {
  const { rows } = await sql<{ state: string }>`
    select state from pgboss.job where name = ${stripeEventsQueue.name}
  `.execute(db);
  return rows.map(({ state }) => state);
}
