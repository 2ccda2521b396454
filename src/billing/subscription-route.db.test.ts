import { expect } from "vitest";
import { apiTest as test } from "../testing/api-test.ts";

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
  });
  const shown = await api.ask("GET", `/v1/organizations/${id}`, { token });
  expect(shown.body["subscription"]).toEqual(answer.body);
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
  ["/status", { stripe_customer_id: "cus_1" }],
  ["/status", { ...minimal, status: "Active!" }],
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
