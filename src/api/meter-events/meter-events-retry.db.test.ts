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

test("what matches hours and words is listed, and retried alone", async ({ events, database: { db } }) => {
  const say = async (id: string, words: string) => {
    await sql`update metering.meter_events set last_error = ${words}, reason = 'refused_by_stripe' where id = ${id}`.execute(
      db,
    );
    return id;
  };
  const now = await say(await events.seal({ state: "rejected", hours: 1 }), "No such customer: 'cus_a'");
  const before = await say(await events.seal({ state: "rejected", hours: 5 }), "NO SUCH CUSTOMER: 'cus_b'");
  const other = await say(await events.seal({ state: "rejected", hours: 5 }), "The meter is archived");
  const to = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - 3 * 3_600_000).toISOString();

  const customers = "state=rejected&words=no+such+customer";
  expect((await events.list(`?${customers}`)).ids.toSorted()).toEqual([now, before].toSorted());
  expect((await events.list(`?${customers}&to=${to}`)).ids).toEqual([before]);
  expect((await events.list(`?${customers}&from=${to}`)).ids).toEqual([now]);
  expect((await events.list("?words=refused+by")).ids).toHaveLength(3);
  expect((await events.list("?words=%00")).ids).toEqual([]);
  expect((await events.ask("GET", "?words=")).status).toBe(400);

  const retry = async (json: object) => (await events.ask("POST", "/retry", json)).body["retried"];
  expect(await retry({ state: "rejected", words: "No such customer", to })).toBe(1);
  expect((await events.list("?state=pending")).ids).toEqual([before]);
  expect(await retry({ state: "pending", words: "archived" })).toBe(0);
  expect(await retry({ state: "pending", words: "such", to })).toBe(1);
  expect((await events.list("?state=rejected")).ids.toSorted()).toEqual([now, other].toSorted());
  const { rows } = await sql<{ subject: string }>`
    select subject from metering.operator_actions where affected = 1 order by id limit 1
  `.execute(db);
  expect(rows).toEqual([{ subject: `all rejected to ${to} saying No such customer` }]);
});
