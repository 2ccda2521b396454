import { sql } from "kysely";
import { expect } from "vitest";
import { type DeliverJob, deliverQueueOf } from "../../queue/queues.ts";
import { meterEventsTest as test, unknownId } from "../../testing/fixtures/meter-events-fixture.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";

test("a rejected event that is retried is pending again, with a job, and no other is", async ({
  events,
  boss,
}) => {
  const id = await events.seal({ state: "rejected" });
  const other = await events.seal({ state: "rejected" });

  expect(await events.ask("POST", `/${id}/retry`)).toMatchObject({ status: 202, body: { retried: 1 } });

  expect((await events.list("?state=pending")).ids).toEqual([id]);
  expect((await events.list("?state=rejected")).ids).toEqual([other]);
  const jobs = await boss.fetch<DeliverJob>(deliverQueueOf("temperature_readings"), { batchSize: 10 });
  expect(jobs.map(({ data }) => data.meterEventId)).toEqual([id]);
});

for (const state of ["delivered", "in_doubt", "expired", "superseded"] as const) {
  test(`an event that is ${state} is not retried`, async ({ events }) => {
    const id = await events.seal({ state });

    expect(await events.ask("POST", `/${id}/retry`)).toMatchObject({
      status: 409,
      body: { code: "not_rejected", detail: expect.stringContaining(state) as unknown },
    });
    expect((await events.list(`?state=${state}`)).ids).toEqual([id]);
  });
}

test("a rejected event whose identifier Stripe may have forgotten is in doubt, and not sent", async ({
  events,
  database: { db },
  boss,
}) => {
  const id = await events.seal({ state: "rejected" });
  await sql`update metering.meter_events set first_unknown_at = now() - interval '23 hours'`.execute(db);

  expect((await events.ask("POST", `/${id}/retry`)).status).toBe(202);

  expect((await events.list("?state=in_doubt")).ids).toEqual([id]);
  expect(await boss.fetch(deliverQueueOf("temperature_readings"))).toEqual([]);
});

test("all rejected events are retried at once, or those of a meter or an organization", async ({
  events,
  database: { db },
}) => {
  const organization = await addOrganization(db, { customer: "cus_other" });
  const retryAll = { state: "rejected" };
  await events.seal({ state: "delivered" });
  await events.seal({ state: "rejected" });
  await events.seal({ state: "rejected", organization });
  await events.seal({ state: "rejected", organization, meter: "active_sensors" });
  const retry = async (json: object) => (await events.ask("POST", "/retry", json)).body["retried"];

  expect(await retry({ ...retryAll, organization_id: unknownId })).toBe(0);
  expect(await retry({ ...retryAll, meter: "active_sensors" })).toBe(1);
  expect(await retry({ ...retryAll, organization_id: organization })).toBe(1);
  expect(await retry(retryAll)).toBe(1);
  expect((await events.list("?state=pending")).ids).toHaveLength(3);
});

test("a pending event, whose reminder is put off or lost, is due now", async ({ events, boss }) => {
  const id = await events.seal();

  expect(await events.ask("POST", `/${id}/retry`)).toMatchObject({ status: 202, body: { retried: 1 } });
  expect(await boss.fetch(deliverQueueOf("temperature_readings"))).toMatchObject([
    { data: { meterEventId: id } },
  ]);
  expect(await events.ask("POST", "/retry", { state: "pending" })).toMatchObject({
    status: 202,
    body: { retried: 1 },
  });
});

for (const [json, pointer] of [
  [{}, "/state"],
  [{ state: "delivered" }, "/state"],
  [{ state: "in_doubt" }, "/state"],
  [{ state: "rejected", meter: "humidity" }, "/meter"],
  [{ state: "rejected", organization_id: "acme" }, "/organization_id"],
  [{ state: "rejected", id: unknownId }, "/id"],
] as const) {
  test(`a retry of ${JSON.stringify(json)} is refused`, async ({ events }) => {
    await events.seal({ state: "rejected" });

    expect(await events.ask("POST", "/retry", json)).toMatchObject({
      status: 400,
      body: { errors: [{ pointer }] },
    });
    expect((await events.list("?state=rejected")).ids).toHaveLength(1);
  });
}

test("an id that no event has is not found, malformed or not", async ({ events }) => {
  for (const id of [unknownId, "nonsense", `${unknownId}0`]) {
    const answer = await events.ask("POST", `/${id}/retry`);
    expect(answer).toMatchObject({ status: 404, body: { code: "not_found" } });
  }
});

test("only the operator's token retries", async ({ api, events }) => {
  const id = await events.seal({ state: "rejected" });
  const { key } = await api.join(["ingest", "read"]);

  for (const path of [`/v1/meter-events/${id}/retry`, "/v1/meter-events/retry"]) {
    for (const token of [{}, { token: key }]) {
      const answer = await api.ask("POST", path, { ...token, json: { state: "rejected" } });
      expect(answer).toMatchObject({ status: 401, body: { code: "unauthorized" } });
    }
  }
  expect((await events.list("?state=rejected")).ids).toEqual([id]);
});

test("an event that Stripe took and reported as failed is sent again under a new identifier", async ({
  events,
  database: { db },
  boss,
}) => {
  const id = await events.seal({ state: "rejected" });
  await sql`
    update metering.meter_events set reason = 'meter_event_customer_not_found', delivered_at = now()
  `.execute(db);

  expect(await events.ask("POST", `/${id}/retry`)).toMatchObject({ status: 202, body: { retried: 1 } });

  expect((await events.list("?state=superseded")).ids).toEqual([id]);
  const [replacement] = (await events.list("?state=pending")).ids;
  expect(replacement).not.toBe(id);
  const jobs = await boss.fetch<DeliverJob>(deliverQueueOf("temperature_readings"), { batchSize: 10 });
  expect(jobs.map(({ data }) => data.meterEventId)).toEqual([replacement]);
});
