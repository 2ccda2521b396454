import { expect } from "vitest";
import { appendEntries } from "../../testing/rows/entries.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import {
  anyInstant,
  meterEventsTest as test,
  unknownId,
} from "../../testing/fixtures/meter-events-fixture.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";

test("meter events are listed, the newest first, and filtered by state, organization and meter", async ({
  events,
  database: { db },
}) => {
  const other = await addOrganization(db, { customer: "cus_other" });
  const rejected = await events.seal({ state: "rejected" });
  const pending = await events.seal();
  const others = await events.seal({ organization: other });
  const othersGauge = await events.seal({ organization: other, meter: "active_sensors" });

  expect((await events.list("")).ids).toEqual([othersGauge, others, pending, rejected]);
  expect((await events.list("?state=rejected")).ids).toEqual([rejected]);
  expect((await events.list("?state=pending")).ids).toEqual([othersGauge, others, pending]);
  expect((await events.list(`?organization_id=${other}`)).ids).toEqual([othersGauge, others]);
  expect((await events.list(`?organization_id=${other}&meter=active_sensors&state=pending`)).ids).toEqual([
    othersGauge,
  ]);
  expect((await events.list("?state=expired")).ids).toEqual([]);
  expect((await events.list(`?organization_id=${unknownId}`)).ids).toEqual([]);
});

test("pages hold each event once, while new ones are sealed", async ({ events, database: { db } }) => {
  const organization = await addOrganization(db, { customer: "cus_acme" });
  const sealed: string[] = [];
  for (let hours = 20; hours > 13; hours -= 1) sealed.unshift(await events.seal({ organization, hours }));

  const seen: string[] = [];
  let cursor: string | null = "";
  for (let page = 0; cursor !== null && page < 10; page += 1) {
    const query = `?limit=3&organization_id=${organization}${cursor === "" ? "" : `&cursor=${cursor}`}`;
    const { ids, cursor: next } = await events.list(query);
    expect(ids.length).toBeLessThanOrEqual(3);
    seen.push(...ids);
    cursor = next;
    await events.seal({ organization, hours: 12 - page });
    await events.seal();
  }

  expect(seen).toEqual(sealed);
});

for (const [query, parameter] of [
  ["?state=lost", "state"],
  ["?meter=humidity", "meter"],
  ["?organization_id=acme", "organization_id"],
  ["?limit=0", "limit"],
  ["?limit=501", "limit"],
  ["?limit=1.5", "limit"],
  ["?limit=many", "limit"],
  ["?cursor=nonsense", "cursor"],
  [`?cursor=${Buffer.from('["cold-1"]').toString("base64url")}`, "cursor"],
] as const) {
  test(`the list ${query} is refused, with the parameter's name`, async ({ events }) => {
    const answer = await events.ask("GET", query);

    expect(answer).toMatchObject({ status: 400, body: { status: 400, errors: [{ pointer: parameter }] } });
  });
}

test("up to 500 events are listed at once", async ({ events }) => {
  await events.seal();
  expect((await events.list("?limit=500")).ids).toHaveLength(1);
});

test("of an event that folds more, the oldest ten thousand entries are shown, and how many there are", async ({
  events,
  road,
  database: { db },
}) => {
  const { id: organization } = await road.join();
  const firstMs = hoursAgo(1, 10).getTime();
  await appendEntries(
    db,
    organization,
    Array.from({ length: 10_001 }, (_, index) => ({ at: new Date(firstMs + index), quantity: 1 })),
  );
  await road.startWorker();
  await road.untilBilled();
  const [id] = (await events.list("?meter=temperature_readings")).ids;

  const { entry_count: count, entries } = (await events.ask("GET", `/${id}`)).body;
  expect(count).toBe(10_001);
  expect(entries).toHaveLength(10_000);
  expect(entries).toMatchObject({ 9_999: { occurred_at: new Date(firstMs + 9_999).toISOString() } });
});

test("an event is shown with the attempts at it and the entries in it", async ({
  events,
  road,
  account,
  database: { db },
}) => {
  const { id: organization, customer } = await road.join();
  const times = [hoursAgo(1, 10), hoursAgo(1, 20)];
  await appendEntries(
    db,
    organization,
    times.map((at, index) => ({ at, quantity: index + 2 })),
  );
  account.simulator.addFault({ kind: "accept_then_500", times: 1 });
  await road.startWorker();
  await road.untilBilled();
  const [id] = (await events.list("?meter=temperature_readings")).ids;

  const { body } = await events.ask("GET", `/${id}`);

  const text = expect.any(String) as unknown;
  const attempt = { started_at: anyInstant, duration_ms: expect.any(Number) as unknown };
  const request = { stripe_request_id: expect.stringMatching(/^req_/) as unknown };
  expect(body).toEqual({
    id,
    organization_id: organization,
    meter: "temperature_readings",
    hour: hoursAgo(1).toISOString(),
    quantity: 5,
    event_at: times[1]?.toISOString(),
    entry_count: 2,
    stripe_customer_id: customer,
    state: "delivered",
    reason: "duplicate",
    attempts_started: 2,
    attempts_finished: 2,
    first_attempt_at: anyInstant,
    last_attempt_at: anyInstant,
    last_error: text,
    sealed_at: anyInstant,
    delivered_at: anyInstant,
    replaces_id: null,
    resolved_at: null,
    resolution_reason: null,
    waits_for: null,
    next_attempt_at: null,
    confirmation: null,
    evidence: null,
    dropped: [],
    attempts: [
      { ...attempt, ...request, attempt: 1, verdict: "unknown", http_status: 500, code: null, message: text },
      {
        ...attempt,
        ...request,
        attempt: 2,
        verdict: "delivered",
        http_status: 400,
        code: null,
        message: text,
      },
    ],
    entries: times.map((at, index) => ({
      id: text,
      occurred_at: at.toISOString(),
      quantity: index + 2,
      idempotency_key: null,
    })),
  });
});

test("an id that no event has is not found, malformed or not", async ({ events }) => {
  for (const id of [unknownId, "nonsense", `${unknownId}0`]) {
    expect(await events.ask("GET", `/${id}`)).toMatchObject({ status: 404, body: { code: "not_found" } });
  }
});

test("only the operator's token opens the list and an event", async ({ api, events }) => {
  const id = await events.seal();
  const { key } = await api.join(["ingest", "read"]);

  for (const path of ["/v1/meter-events", `/v1/meter-events/${id}`]) {
    for (const token of [{}, { token: key }]) {
      expect(await api.ask("GET", path, token)).toMatchObject({
        status: 401,
        body: { code: "unauthorized" },
      });
    }
  }
});
