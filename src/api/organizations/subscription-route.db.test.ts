import { expect } from "vitest";
import { apiTest as test } from "../../testing/fixtures/api-fixture.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { countWaitingForLocks } from "../../testing/postgres/locks.ts";
import { linkCustomer } from "../../testing/rows/organizations.ts";
import { until } from "../../testing/processes/until.ts";
import { stripeStatuses } from "../../usage/subscription-statuses.ts";

const period = {
  current_period_start: "2026-11-01T00:00:00+01:00",
  current_period_end: "2026-12-01T00:00:00+01:00",
};
const minimal = { stripe_customer_id: "cus_1", status: "active" };

test("a subscription is stored, answered in UTC, and shown with its organization", async ({ api }) => {
  const { id } = await api.join();
  const token = api.adminToken;
  const json = { ...minimal, stripe_subscription_id: "sub_1", ...period };
  const answer = await api.ask("PUT", `/v1/organizations/${id}/subscription`, { token, json });
  expect(answer).toMatchObject({ status: 200 });
  expect(answer.body).toEqual({
    ...json,
    current_period_start: "2026-10-31T23:00:00.000Z",
    current_period_end: "2026-11-30T23:00:00.000Z",
    customer_fault: null,
    uninvoiced_usage: [],
  });
  const shown = await api.ask("GET", `/v1/organizations/${id}`, { token });
  expect(shown.body["subscription"]).toEqual(answer.body);
});

test("the answer tells how much of the held usage lies before the period, and so does the organization", async ({
  api,
  database: { db },
}) => {
  const { id } = await api.join();
  await appendEntries(db, id, [{ at: new Date(Date.now() - 7_200_000), quantity: 40 }]);
  const token = api.adminToken;
  const current_period_start = new Date(Date.now() - 3_600_000).toISOString();
  const current_period_end = new Date(Date.now() + 3_600_000).toISOString();
  const json = { ...minimal, current_period_start, current_period_end };
  const { body } = await api.ask("PUT", `/v1/organizations/${id}/subscription`, { token, json });
  expect(body["uninvoiced_usage"]).toEqual([
    { meter: "temperature_readings", reason: "before_subscription", quantity: 40 },
  ]);
  const shown = await api.ask("GET", `/v1/organizations/${id}`, { token });
  expect(shown.body["subscription"]).toEqual(body);
});

test("a second PUT replaces the whole of the first", async ({ api }) => {
  const { id } = await api.join();
  const path = `/v1/organizations/${id}/subscription`;
  const first = { ...minimal, stripe_subscription_id: "sub_1", ...period };
  await api.ask("PUT", path, { token: api.adminToken, json: first });
  const json = { stripe_customer_id: "cus_2", status: "past_due" };
  expect((await api.ask("PUT", path, { token: api.adminToken, json })).body).toEqual({
    ...json,
    stripe_subscription_id: null,
    current_period_start: null,
    current_period_end: null,
    customer_fault: null,
    uninvoiced_usage: [],
  });
});

test("what GET shows can be PUT again", async ({ api }) => {
  const { id } = await api.join();
  const path = `/v1/organizations/${id}/subscription`;
  const { body } = await api.ask("PUT", path, { token: api.adminToken, json: minimal });
  expect(await api.ask("PUT", path, { token: api.adminToken, json: body })).toMatchObject({
    status: 200,
    body,
  });
});

const { current_period_start: start, current_period_end: end } = period;
const refused: [string, Record<string, unknown>][] = [
  ["/stripe_customer_id", { status: "active" }],
  ["/stripe_customer_id", { ...minimal, stripe_customer_id: "" }],
  ["/stripe_customer_id", { ...minimal, stripe_customer_id: "acme" }],
  ["/stripe_customer_id", { ...minimal, stripe_customer_id: "cus_" }],
  ["/stripe_customer_id", { ...minimal, stripe_customer_id: "sub_1" }],
  ["/stripe_customer_id", { ...minimal, stripe_customer_id: "cus_1 " }],
  ["/stripe_subscription_id", { ...minimal, stripe_subscription_id: "cus_1" }],
  ["/stripe_subscription_id", { ...minimal, stripe_subscription_id: "" }],
  ["/status", { stripe_customer_id: "cus_1" }],
  ["/status", { ...minimal, status: "Active!" }],
  ["/status", { ...minimal, status: "actve" }],
  ["/status", { ...minimal, status: "trial" }],
  ["/status", { ...minimal, status: "x:" }],
  ["/current_period_end", { ...minimal, current_period_start: start }],
  ["/current_period_start", { ...minimal, current_period_end: end }],
  ["/current_period_end", { ...minimal, current_period_start: end, current_period_end: start }],
  ["/current_period_end", { ...minimal, current_period_start: start, current_period_end: start }],
  ["/current_period_start", { ...minimal, ...period, current_period_start: "2026-11-01" }],
  ["/current_period_start", { ...minimal, ...period, current_period_start: "2026-11-01T00:00:00" }],
  ["/current_period_start", { ...minimal, ...period, current_period_start: "2026-02-30T00:00:00Z" }],
  ["/current_period_start", { ...minimal, ...period, current_period_start: 1_793_000_000 }],
  ["/plan", { ...minimal, plan: "gold" }],
];

test("a subscription with a fault is refused, and the fault is pointed to", async ({ api }) => {
  const { id } = await api.join();
  const path = `/v1/organizations/${id}/subscription`;
  for (const [pointer, json] of refused) {
    const answer = await api.ask("PUT", path, { token: api.adminToken, json });
    expect(answer).toMatchObject({ status: 400, body: { code: "invalid_request", errors: [{ pointer }] } });
  }
  const shown = await api.ask("GET", `/v1/organizations/${id}`, { token: api.adminToken });
  expect(shown.body["subscription"]).toBeNull();
});

test("an organization that does not exist gets no subscription", async ({ api }) => {
  const path = "/v1/organizations/00000000-0000-7000-8000-000000000000/subscription";
  expect((await api.ask("PUT", path, { token: api.adminToken, json: minimal })).status).toBe(404);
});

test("a refused status is told the words that there are", async ({ api }) => {
  const { id } = await api.join();
  const json = { ...minimal, status: "actve" };
  const answer = await api.ask("PUT", `/v1/organizations/${id}/subscription`, {
    token: api.adminToken,
    json,
  });

  expect(answer.body["detail"]).toBe(
    "/status: must be one of active, canceled, incomplete, incomplete_expired, past_due, paused, trialing, unpaid; any other word needs x: in front",
  );
});

test.for([...stripeStatuses, "x:beta"])("%s is a status", async (status, { api }) => {
  const { id } = await api.join();
  const json = { ...minimal, status };
  const answer = await api.ask("PUT", `/v1/organizations/${id}/subscription`, {
    token: api.adminToken,
    json,
  });
  expect(answer).toMatchObject({ status: 200, body: { status } });
});

test("a customer of another organization is refused, and the other is named", async ({ api }) => {
  const [one, other] = [await api.join(), await api.join()];
  const put = (id: string) =>
    api.ask("PUT", `/v1/organizations/${id}/subscription`, { token: api.adminToken, json: minimal });
  await put(one.id);

  expect(await put(other.id)).toMatchObject({
    status: 409,
    body: { code: "customer_taken", organization_id: one.id, detail: expect.stringContaining(one.id) },
  });
  expect(await put(one.id)).toMatchObject({ status: 200 });
  const shown = await api.ask("GET", `/v1/organizations/${other.id}`, { token: api.adminToken });
  expect(shown.body["subscription"]).toBeNull();
});

test("of organizations that are linked to one customer at once, one is", async ({ api }) => {
  const organizations = await Promise.all(Array.from({ length: 6 }, () => api.join()));

  const answers = await Promise.all(
    organizations.map(({ id }) =>
      api.ask("PUT", `/v1/organizations/${id}/subscription`, { token: api.adminToken, json: minimal }),
    ),
  );

  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(answers.filter(({ body }) => body["code"] === "customer_taken")).toHaveLength(5);
  const stored = await Promise.all(
    organizations.map(({ id }) => api.ask("GET", `/v1/organizations/${id}`, { token: api.adminToken })),
  );
  expect(stored.filter(({ body }) => body["subscription"] !== null)).toHaveLength(1);
});

test("a customer that its organization has left can be linked to another", async ({ api }) => {
  const [one, other] = [await api.join(), await api.join()];
  const put = (id: string, customer: string) =>
    api.ask("PUT", `/v1/organizations/${id}/subscription`, {
      token: api.adminToken,
      json: { ...minimal, stripe_customer_id: customer },
    });
  await put(one.id, "cus_1");
  await put(one.id, "cus_2");

  expect(await put(other.id, "cus_1")).toMatchObject({ status: 200 });
});

test("a customer that another organization is being linked to is waited for", async ({ api, database }) => {
  const [one, other] = [await api.join(), await api.join()];
  const linked = Promise.withResolvers<void>();
  const mayCommit = Promise.withResolvers<void>();
  const first = database.db.transaction().execute(async (trx) => {
    await linkCustomer(trx, one.id, { customer: "cus_1" });
    linked.resolve();
    await mayCommit.promise;
  });
  await linked.promise;
  let isAnswered = false;
  const path = `/v1/organizations/${other.id}/subscription`;
  const second = api.ask("PUT", path, { token: api.adminToken, json: minimal }).finally(() => {
    isAnswered = true;
  });
  await until(async () => isAnswered || (await countWaitingForLocks(database.pool)) > 0, {
    what: "the second to wait",
  });
  mayCommit.resolve();
  await first;

  expect(await second).toMatchObject({ status: 409, body: { organization_id: one.id } });
});
