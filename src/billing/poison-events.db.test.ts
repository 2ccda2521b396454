import { sql } from "kysely";
import { Stripe } from "stripe";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { type Api, webhookSecrets } from "../testing/fixtures/api-fixture.ts";
import { hurryStripeEvents, readInbox, readSubscriptionOf } from "../testing/rows/inbox.ts";
import { stripeSideTest as test } from "../testing/fixtures/stripe-side-fixture.ts";
import { takeNodeAway } from "../testing/rows/node-away.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { until } from "../testing/processes/until.ts";
import { purgeStripeEvents } from "./inbox.ts";

const nobody = "01a1fd84-aad0-7fd8-87c3-956ea5c0f2ee";

const list = (api: Api, query: string, token: string | undefined = api.adminToken) =>
  api.ask("GET", `/v1/stripe-events${query}`, { token });
const replay = (api: Api, id: string, token: string | undefined = api.adminToken) =>
  api.ask("POST", `/v1/stripe-events/${id}/replay`, { token });

/** Delivers an event that Stripe never made, and signs it as Stripe would. */
async function post(api: Api, event: Record<string, unknown>): Promise<void> {
  const text = JSON.stringify(event);
  const secret = webhookSecrets[0] ?? "";
  const signature = Stripe.webhooks.generateTestHeaderString({ payload: text, secret });
  const { status } = await api.ask("POST", "/webhooks/stripe", {
    text,
    headers: { "stripe-signature": signature },
  });
  expect(status).toBe(200);
}

test("an event that can never be handled fails at once, is listed with its payload, and works when replayed", async ({
  api,
  database: { db },
  stripeSide,
}) => {
  await stripeSide.startWorker();
  const { customer } = await stripeSide.checkOut({ organizationId: nobody });
  await stripeSide.untilHandled();
  const id = stripeSide.eventOf("checkout.session.completed");

  const failed = await list(api, "?state=failed");
  await sql`insert into metering.organizations (id, name) values (${nobody}, 'Late')`.execute(db);
  const replayed = await replay(api, id);
  await stripeSide.untilHandled();

  const object = expect.objectContaining({ client_reference_id: nobody, customer }) as unknown;
  expect(failed.body["data"]).toMatchObject([
    {
      id,
      state: "failed",
      attempts: 1,
      error: `there is no organization ${nobody}`,
      payload: { id, data: { object } },
    },
  ]);
  expect(replayed).toMatchObject({ status: 202, body: { replayed: 1 } });
  expect(await readSubscriptionOf(db, nobody)).toMatchObject({ customer, status: "active" });
  expect((await list(api, "?state=failed")).body["data"]).toEqual([]);
});

test("only failed and refused events are replayed, and only by the operator", async ({ api, stripeSide }) => {
  await stripeSide.startWorker();
  await stripeSide.checkOut({ organizationId: nobody });
  await stripeSide.untilHandled();
  const { key } = await api.join();
  const failed = stripeSide.eventOf("checkout.session.completed");

  expect(await replay(api, stripeSide.eventOf("invoice.paid"))).toMatchObject({ status: 409 });
  expect(await replay(api, "evt_unknown")).toMatchObject({ status: 404 });
  expect(await replay(api, failed, key)).toMatchObject({ status: 401 });
  expect(await replay(api, failed, "")).toMatchObject({ status: 401 });
  expect(await list(api, "", key)).toMatchObject({ status: 401 });
  expect(await list(api, "?state=failed")).toMatchObject({ body: { data: [{ id: failed }] } });
});

test("an event whose read fails ten times for its own reason fails with that reason", async ({
  api,
  database: { db },
  stripeSide,
}) => {
  await stripeSide.startWorker();
  const type = "v1.billing.meter.error_report_triggered";

  await post(api, eventOf("evt_unknown", type));
  await untilTried(db, ({ error }) => error !== null);
  // As after seven more failures.
  await sql`update metering.stripe_events set attempts = attempts + 7`.execute(db);
  await untilTried(db, ({ state }) => state === "failed");

  expect(await readInbox(db)).toEqual([
    {
      id: "evt_unknown",
      type,
      state: "failed",
      attempts: 10,
      error: expect.stringMatching(/^given up after 10 attempts: Stripe answered 404: /) as unknown,
    },
  ]);
  expect(stripeSide.log).toContainEqual(expect.objectContaining({ event: "stripe_event_failed" }));
});

test("an event that ended each of its ten processes fails, and has all its attempts again when it is replayed", async ({
  api,
  database: { db },
  stripeSide,
}) => {
  await post(api, eventOf("evt_1", "v1.account.updated"));
  // The processes that counted these attempts could not record why they failed.
  await sql`update metering.stripe_events set attempts = 10`.execute(db);
  await stripeSide.startWorker();
  await stripeSide.untilHandled();
  expect(await readInbox(db)).toMatchObject([{ state: "failed", error: "given up after 10 attempts" }]);
  expect(stripeSide.loggedAt("error")).toMatchObject([{ event: "stripe_event_failed", event_id: "evt_1" }]);

  expect((await replay(api, "evt_1")).status).toBe(202);
  await stripeSide.untilHandled();

  expect(await readInbox(db)).toMatchObject([{ state: "handled", attempts: 1, error: null }]);
});

test("an event that Stripe cannot answer for is tried until it can, and no attempt is burnt", async ({
  database: { db },
  account: { simulator },
  stripeSide,
}) => {
  await stripeSide.startWorker();
  simulator.setSettings({ webhook_hold: true });
  const { id: organizationId } = await db
    .insertInto("organizations")
    .values({ name: "Acme" })
    .returning("id")
    .executeTakeFirstOrThrow();
  await stripeSide.checkOut({ organizationId });
  simulator.addFault({ kind: "status", status: 500, path: "/v1/subscriptions" });
  await simulator.release({ event_ids: [stripeSide.eventOf("checkout.session.completed")] });
  await untilTried(db, () => simulator.state().faults_fired >= 1);
  // As if all attempts but one had been used.
  await sql`update metering.stripe_events set attempts = attempts + 9`.execute(db);
  await untilTried(db, () => simulator.state().faults_fired >= 4);
  const meanwhile = await readInbox(db);

  simulator.clearFaults();
  await untilTried(db, ({ state }) => state === "handled");

  expect(meanwhile).toMatchObject([{ state: "pending" }]);
  expect(meanwhile[0]?.error).toMatch(/^Stripe answered 500/);
  // The last one may be under way.
  expect(meanwhile[0]?.attempts).toBeLessThanOrEqual(10);
  expect(await readInbox(db)).toMatchObject([{ attempts: 10, error: null }]);
  expect(await readSubscriptionOf(db, organizationId)).toMatchObject({ status: "active" });
});

test("an event that needs a node of a cluster that is away is tried until it is back, and no attempt is burnt", async ({
  database: { db },
  account: { simulator },
  stripeSide,
}) => {
  await stripeSide.startWorker();
  simulator.setSettings({ webhook_hold: true });
  const organizationId = await addOrganization(db);
  await stripeSide.checkOut({ organizationId });
  const bringBack = await takeNodeAway(db, organizationId, "subscriptions");
  await simulator.release({ event_ids: [stripeSide.eventOf("checkout.session.completed")] });
  const failures = () => stripeSide.log.filter(({ event }) => event === "job_failed").length;
  await untilTried(db, () => failures() >= 1);
  // As if all attempts but one had been used.
  await sql`update metering.stripe_events set attempts = attempts + 9`.execute(db);
  await untilTried(db, () => failures() >= 4);
  const meanwhile = await readInbox(db);

  await bringBack();
  await untilTried(db, ({ state }) => state !== "pending");

  expect(meanwhile).toMatchObject([{ state: "pending" }]);
  expect(meanwhile[0]?.error).toMatch(/^connection to the remote node failed/);
  expect(await readInbox(db)).toMatchObject([{ state: "handled", attempts: 10, error: null }]);
  expect(await readSubscriptionOf(db, organizationId)).toMatchObject({ status: "active" });
});

test("an event of the other mode is refused by name, and handled once the key is right", async ({
  api,
  account: { simulator },
  stripeSide,
}) => {
  const tester = await stripeSide.startWorker();
  const object = { id: "cus_1", object: "customer" };
  const { id } = simulator.emit({ type: "customer.deleted", livemode: true, data: { object } });
  await stripeSide.untilHandled();
  const refused = await list(api, "?state=refused");
  await tester.stop(5_000);

  await stripeSide.startWorker({ STRIPE_SECRET_KEY: "sk_live_of_the_right_account" });
  const replayed = await replay(api, id);
  await stripeSide.untilHandled();

  const error = "wrong_mode: a live event, but the key is a test key";
  expect(refused.body["data"]).toMatchObject([{ id, state: "refused", error }]);
  expect(replayed.status).toBe(202);
  await expect.poll(() => stripeSide.effectsOf(id)).toEqual(["unlinked"]);
});

test("events that Stripe cannot send again are purged after 90 days, those that wait never", async ({
  api,
  database: { db },
}) => {
  const states = ["pending", "handled", "failed", "refused"];
  for (const age of ["89 days", "91 days"]) {
    for (const state of states) {
      const id = `${state}, ${age}`;
      await post(api, eventOf(id, "charge.refunded"));
      await sql`
        update metering.stripe_events
        set
          received_at = now() - ${age}::interval, state = ${state},
          handled_at = case when ${state} = 'handled' then now() end
        where event_id = ${id}
      `.execute(db);
    }
  }

  const purged = await purgeStripeEvents(db, { keptDays: 90 });

  expect(purged).toBe(3);
  expect((await readInbox(db)).map(({ id }) => id).toSorted()).toEqual(
    ["pending, 91 days", ...states.map((state) => `${state}, 89 days`)].toSorted(),
  );
});

test("a thin event that brings more than it should is taken all the same", async ({
  api,
  database: { db },
  stripeSide,
}) => {
  await stripeSide.startWorker();

  await post(api, { ...eventOf("evt_1", "v1.account.updated"), data: { developer_message_summary: "…" } });
  await stripeSide.untilHandled();

  expect(await readInbox(db)).toMatchObject([{ state: "handled" }]);
});

function eventOf(id: string, type: string) {
  return {
    id,
    object: "v2.core.event",
    type,
    livemode: false,
    created: "2026-11-20T10:00:00Z",
    related_object: null,
  };
}

type Inbox = Awaited<ReturnType<typeof readInbox>>;

/** Lets the event be tried again at once, over and over, until it has come this far. */
async function untilTried(db: Db, isReached: (event: Inbox[number]) => boolean): Promise<void> {
  const ask = async () => {
    await hurryStripeEvents(db);
    const [event] = await readInbox(db);
    return event !== undefined && isReached(event);
  };
  await until(ask, {
    what: "the event to be tried",
    standing: async () => JSON.stringify(await readInbox(db)),
  });
}
