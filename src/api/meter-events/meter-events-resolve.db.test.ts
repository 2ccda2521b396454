import { sql } from "kysely";
import { expect } from "vitest";
import { z } from "zod";
import { sweepMeterEvents } from "../../delivery/sweep.ts";
import { type DeliverJob, deliverQueueOf } from "../../queue/queues.ts";
import { findViolations } from "../../testing/rows/invariants.ts";
import { anyInstant, meterEventsTest, unknownId } from "../../testing/fixtures/meter-events-fixture.ts";
import { addOrganization, linkCustomer } from "../../testing/rows/organizations.ts";
import { until } from "../../testing/processes/until.ts";

const day = 24;
const resolvedSchema = z.object({ replaced_by: z.uuid() });
const notDelivered = { resolution: "not_delivered", reason: "not in Stripe's sums" };
const delivered = { resolution: "delivered", reason: "seen in Stripe's sums" };

const test = meterEventsTest.extend("resolve", ({ events }) => ({
  ask: (id: string, json: unknown) => events.ask("POST", `/${id}/resolve`, json),
  show: async (id: string) => (await events.ask("GET", `/${id}`)).body,
  /** Resolves as not delivered, and returns the event that sends the usage again. */
  replace: async (id: string) => {
    const answer = await events.ask("POST", `/${id}/resolve`, notDelivered);
    expect(answer).toMatchObject({ status: 200, body: { id, state: "superseded" } });
    return resolvedSchema.parse(answer.body).replaced_by;
  },
}));

test("an event that was delivered after all is delivered, with reason and time, and not sent", async ({
  events,
  resolve,
  boss,
}) => {
  const id = await events.seal({ state: "in_doubt" });

  const answer = await resolve.ask(id, { ...delivered, reason: "  seen in Stripe's sums " });

  expect(answer).toMatchObject({ status: 200, body: { id, state: "delivered", replaced_by: null } });
  expect(await resolve.show(id)).toMatchObject({
    state: "delivered",
    reason: "resolved_delivered",
    resolution_reason: "seen in Stripe's sums",
    resolved_at: anyInstant,
    delivered_at: anyInstant,
  });
  expect((await events.list("")).ids).toEqual([id]);
  expect(await boss.fetch(deliverQueueOf("temperature_readings"))).toEqual([]);
});

test("an event that was not delivered is replaced by one with the same usage and entries, and a job", async ({
  events,
  resolve,
  boss,
}) => {
  const id = await events.seal({ state: "in_doubt", quantity: 7, hours: 3 });
  const before = await resolve.show(id);

  const replacement = await resolve.replace(id);

  expect(await resolve.show(replacement)).toEqual({
    ...before,
    id: replacement,
    replaces_id: id,
    state: "pending",
    sealed_at: anyInstant,
    waits_for: "turn",
    next_attempt_at: anyInstant,
  });
  expect(await resolve.show(id)).toEqual({
    ...before,
    state: "superseded",
    reason: "resolved_not_delivered",
    resolution_reason: notDelivered.reason,
    resolved_at: anyInstant,
  });
  const jobs = await boss.fetch<DeliverJob>(deliverQueueOf("temperature_readings"), { batchSize: 10 });
  expect(jobs.map(({ data }) => data.meterEventId)).toEqual([replacement]);
});

test("a replacement that is in doubt itself is replaced by one with the first one's entries", async ({
  events,
  resolve,
  database: { db },
}) => {
  const id = await events.seal({ state: "in_doubt", quantity: 7 });
  const { entries } = await resolve.show(id);
  const second = await resolve.replace(id);
  await sql`update metering.meter_events set state = 'in_doubt' where id = ${second}`.execute(db);

  const third = await resolve.replace(second);

  expect(await resolve.show(third)).toMatchObject({ replaces_id: second, quantity: 7, entries });
  expect(entries).toMatchObject([{ quantity: 7 }]);
});

test("usage that Stripe would refuse for its age is expired instead of sent again", async ({
  events,
  resolve,
}) => {
  const id = await events.seal({ state: "in_doubt", hours: 34 * day + 1 });

  const answer = await resolve.ask(id, notDelivered);

  expect(answer).toMatchObject({ status: 200, body: { id, state: "expired", replaced_by: null } });
  expect(await resolve.show(id)).toMatchObject({
    state: "expired",
    resolution_reason: notDelivered.reason,
    delivered_at: null,
  });
  expect((await events.list("")).ids).toEqual([id]);
});

for (const [first, second] of [
  [delivered, notDelivered],
  [notDelivered, delivered],
  [notDelivered, notDelivered],
] as const) {
  test(`what was resolved as ${first.resolution} is not resolved as ${second.resolution} afterwards`, async ({
    events,
    resolve,
  }) => {
    const id = await events.seal({ state: "in_doubt" });
    await resolve.ask(id, first);
    const resolved = await events.ask("GET", "");

    expect(await resolve.ask(id, second)).toMatchObject({ status: 409, body: { code: "not_in_doubt" } });

    expect((await events.ask("GET", "")).body).toEqual(resolved.body);
  });
}

test("of operators who resolve an event at the same time one does, and its usage is sent again once", async ({
  events,
  resolve,
}) => {
  const id = await events.seal({ state: "in_doubt" });

  const answers = await Promise.all(Array.from({ length: 8 }, () => resolve.ask(id, notDelivered)));

  const resolved = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status === 409);
  expect([resolved.length, refused.length]).toEqual([1, 7]);
  expect((await events.list("")).ids).toHaveLength(2);
});

for (const state of ["pending", "delivered", "rejected", "expired"] as const) {
  test(`an event that is ${state} is not resolved`, async ({ events, resolve }) => {
    const id = await events.seal({ state });

    expect(await resolve.ask(id, notDelivered)).toMatchObject({
      status: 409,
      body: { code: "not_in_doubt", detail: expect.stringContaining(state) as unknown },
    });
    expect((await events.list(`?state=${state}`)).ids).toEqual([id]);
  });
}

for (const [json, pointer] of [
  [{ resolution: "delivered" }, "/reason"],
  [{ resolution: "delivered", reason: " " }, "/reason"],
  [{ resolution: "delivered", reason: "x".repeat(501) }, "/reason"],
  [{ resolution: "perhaps", reason: "who knows" }, "/resolution"],
  [{ reason: "who knows" }, "/resolution"],
  [{ ...delivered, quantity: 5 }, "/quantity"],
] as const) {
  test(`a resolution with a fault at ${pointer} is refused: ${JSON.stringify(json).slice(0, 60)}`, async ({
    events,
    resolve,
  }) => {
    const id = await events.seal({ state: "in_doubt" });

    expect(await resolve.ask(id, json)).toMatchObject({ status: 400, body: { errors: [{ pointer }] } });
    expect((await events.list("?state=in_doubt")).ids).toEqual([id]);
  });
}

test("an id that no event has is not found, malformed or not", async ({ resolve }) => {
  for (const id of [unknownId, "nonsense"]) {
    expect(await resolve.ask(id, delivered)).toMatchObject({ status: 404, body: { code: "not_found" } });
  }
});

test("only the operator's token resolves", async ({ api, events }) => {
  const id = await events.seal({ state: "in_doubt" });
  const { key } = await api.join(["ingest", "read"]);

  for (const token of [{}, { token: key }]) {
    const answer = await api.ask("POST", `/v1/meter-events/${id}/resolve`, { ...token, json: delivered });
    expect(answer).toMatchObject({ status: 401, body: { code: "unauthorized" } });
  }
  expect((await events.list("?state=in_doubt")).ids).toEqual([id]);
});

test("readings whose event was lost on its way and came in doubt are billed once after all", async ({
  api,
  events,
  resolve,
  road,
  account,
  boss,
  database: { db },
}) => {
  const { id: customer } = await account.stripe.customers.create({ name: "Acme" });
  const acme = await api.join();
  await linkCustomer(db, acme.id, { customer });
  await api.ask("PUT", "/v1/sensors/cold-1", { token: acme.key });
  const reading = {
    sensor_id: "cold-1",
    recorded_at: new Date(Date.now() - 1_000).toISOString(),
    temperature: -18,
  };
  await api.ask("POST", "/v1/readings", { token: acme.key, json: reading });
  account.simulator.addFault({ kind: "cut_before" });
  await road.startWorker();
  const query = `?organization_id=${acme.id}&meter=temperature_readings`;
  const lost = await until(async () => (await events.list(query)).ids[0], { what: "the event" });
  await until(async () => (await resolve.show(lost))["last_error"] !== null, { what: "an attempt's end" });
  await sql`update metering.meter_events set first_unknown_at = now() - interval '23 hours' where id = ${lost}`.execute(
    db,
  );
  await until(
    async () => {
      await sweepMeterEvents({ db, boss }, { leaseSeconds: 45 });
      return (await resolve.show(lost))["state"] === "in_doubt";
    },
    { what: "the event to be in doubt" },
  );
  account.simulator.clearFaults();

  const replacement = await resolve.replace(lost);
  await until(async () => (await resolve.show(replacement))["state"] === "delivered", {
    what: "its delivery",
  });

  const counted = account.simulator.meterEvents({ customer, event_name: "temperature_readings" });
  expect(counted).toMatchObject([{ identifier: replacement, value: "1", times_counted: 1 }]);
  expect(await findViolations(db)).toEqual([]);
});

test("all in doubt that match are resolved by one answer, and all others stay", async ({
  events,
  database: { db },
  boss,
}) => {
  const organization = await addOrganization(db, { customer: "cus_other" });
  const lost = [];
  for (const hours of [6, 5]) lost.push(await events.seal({ state: "in_doubt", hours }));
  const young = await events.seal({ state: "in_doubt", hours: 1 });
  const others = await events.seal({ state: "in_doubt", hours: 5, organization });
  const rejected = await events.seal({ state: "rejected", hours: 5 });
  const to = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - 3 * 3_600_000).toISOString();
  const owner = (await events.ask("GET", `/${young}`)).body["organization_id"];
  const body = { state: "in_doubt", resolution: "not_delivered", reason: "no sum has it" };

  const answer = await events.ask("POST", "/resolve", { ...body, organization_id: owner, to });
  expect(answer).toMatchObject({ status: 200, body: { resolved: 2, replaced: 2 } });
  expect((await events.list("?state=in_doubt")).ids.toSorted()).toEqual([young, others].toSorted());
  expect((await events.list("?state=superseded")).ids.toSorted()).toEqual(lost.toSorted());
  expect((await events.list("?state=rejected")).ids).toEqual([rejected]);
  const fresh = (await events.list("?state=pending")).ids;
  const jobs = await boss.fetch<{ meterEventId: string }>(deliverQueueOf("temperature_readings"), {
    batchSize: 10,
  });
  expect(jobs.map(({ data }) => data.meterEventId).toSorted()).toEqual(fresh.toSorted());
  expect((await events.ask("GET", `/${lost[0]}`)).body).toMatchObject({ resolution_reason: "no sum has it" });
  const { rows } = await sql`
    select action, organization_id, subject, reason, affected::int from metering.operator_actions
  `.execute(db);
  expect(rows).toEqual([
    {
      action: "resolve_meter_event",
      organization_id: owner,
      subject: `all in doubt to ${to}`,
      reason: "no sum has it",
      affected: 2,
    },
  ]);

  for (const wrong of [
    { ...body, state: "rejected" },
    { ...body, reason: " " },
    { ...body, words: "" },
  ])
    expect((await events.ask("POST", "/resolve", wrong)).status).toBe(400);
  const { state: _, ...stateless } = body;
  expect((await events.ask("POST", "/resolve", stateless)).status).toBe(400);
});
