import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { stripeEventsQueue } from "../queue/queues.ts";
import { stripeSideTest as test } from "../testing/fixtures/stripe-side-fixture.ts";
import { holdRequests } from "../testing/net/request-gate.ts";
import { until } from "../testing/processes/until.ts";
import { readInbox } from "../testing/rows/inbox.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { storeStripeEvent, sweepStripeEvents } from "./inbox.ts";

const stuckEvents = 40;

test("events of a customer for whom Stripe does not answer hold up no other customer's", async ({
  database: { db },
  boss,
  account: { url, simulator },
  stripeSide,
}) => {
  simulator.addCustomers("cus_stuck", "cus_other");
  await addOrganization(db, { customer: "cus_stuck" });
  await addOrganization(db, { customer: "cus_other" });
  for (let n = 0; n < stuckEvents; n += 1) {
    await storeStripeEvent({ db, boss }, subscriptionChanged(`evt_stuck_${n}`, "cus_stuck"));
  }
  const way = await holdRequests(url, "/v1/subscriptions?customer=cus_stuck");
  await stripeSide.startWorker({ STRIPE_API_BASE: way.url, STRIPE_TIMEOUT_MS: 60_000 });
  await until(() => way.held() > 0, { what: "a read that Stripe does not answer" });

  await storeStripeEvent({ db, boss }, subscriptionChanged("evt_other", "cus_other"));

  await until(async () => (await stateOf(db, "evt_other")) === "handled", { what: "the other's event" });
  expect(await stateOf(db, "evt_stuck_0")).toBe("pending");
  way.open();
  await stripeSide.untilHandled();
});

test("the job of an event belongs to its customer, or else to its object, or else to its type", async ({
  database: { db },
  boss,
}) => {
  const objects = [
    { id: "sub_1", customer: "cus_text" },
    { id: "in_1", customer: { id: "cus_object", object: "customer" } },
    { id: "cus_deleted", object: "customer" },
    { id: "cs_without", customer: null },
    { id: "in_2", customer: "" },
    { id: "in_3", customer: "x".repeat(300) },
    undefined,
  ];
  for (const [n, object] of objects.entries()) {
    const event = { ...subscriptionChanged(`evt_${n}`, ""), data: object && { object } };
    await storeStripeEvent({ db, boss }, event);
  }
  const thin = { ...subscriptionChanged("evt_thin", ""), object: "v2.core.event" as const, data: undefined };
  await storeStripeEvent({ db, boss }, { ...thin, related_object: { id: "mtr_1" } });

  const jobs = await boss.findJobs<{ eventId: string }>(stripeEventsQueue.name);
  const groups = Object.fromEntries(jobs.map(({ data, groupId }) => [data.eventId, groupId]));
  expect(groups).toEqual({
    evt_0: "cus_text",
    evt_1: "cus_object",
    evt_2: "cus_deleted",
    evt_3: "cs_without",
    evt_4: "customer.subscription.updated",
    evt_5: "x".repeat(255),
    evt_6: "customer.subscription.updated",
    evt_thin: "mtr_1",
  });
});

test("events that wait for Stripe keep no lost job of another event from being made again", async ({
  database: { db },
  boss,
}) => {
  await sql`
    insert into metering.stripe_events (event_id, event_type, livemode, payload, received_at)
    select 'evt_' || n, 'invoice.paid', false, '{}', now() - interval '1 hour' from generate_series(1, 1001) n
  `.execute(db);

  await sweepStripeEvents({ db, boss });
  await sweepStripeEvents({ db, boss });

  expect(await boss.findJobs(stripeEventsQueue.name)).toHaveLength(1_001);
});

test("a sweep compares the oldest hundred thousand events with the jobs, and younger ones when those are handled", async ({
  database: { db },
  boss,
}) => {
  await sql`
    with stored as (
      insert into metering.stripe_events (event_id, event_type, livemode, payload, received_at)
      select 'evt_' || n, 'invoice.paid', false, '{}', now() - interval '1 hour' + n * interval '1 millisecond'
      from generate_series(0, 100000) n
      returning event_id
    )
    insert into pgboss.job (name, singleton_key, policy)
    select ${stripeEventsQueue.name}, event_id, 'exclusive' from stored where event_id <> 'evt_100000'
  `.execute(db);
  const countJobs = async () => (await boss.findJobs(stripeEventsQueue.name, { key: "evt_100000" })).length;

  await sweepStripeEvents({ db, boss });
  expect(await countJobs()).toBe(0);

  await sql`
    update metering.stripe_events set state = 'handled', handled_at = now() where event_id = 'evt_0'
  `.execute(db);
  await sweepStripeEvents({ db, boss });
  expect(await countJobs()).toBe(1);
});

function subscriptionChanged(id: string, customer: string) {
  const type = "customer.subscription.updated";
  return { id, object: "event" as const, type, livemode: false, data: { object: { id: "sub_1", customer } } };
}

async function stateOf(db: Db, eventId: string): Promise<string | undefined> {
  return (await readInbox(db)).find(({ id }) => id === eventId)?.state;
}
