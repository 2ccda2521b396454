import { sql } from "kysely";
import { expect } from "vitest";
import { pauseDelivery, trip } from "../../delivery/pauses.ts";
import { apiTest } from "../../testing/fixtures/api-fixture.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { addMeterEvent, ago, minuteMs } from "../../testing/rows/meter-events.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
import { parseScrape, seriesOf } from "../../testing/net/scraped.ts";
import { summaryOf } from "../alerts/alert-post.ts";
import { readConditions } from "../alerts/read-conditions.ts";

const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

const test = apiTest.extend("scrape", async ({ api }) => async () => {
  const { status, headers, text } = await api.askText("GET", "/metrics");
  expect({ status, type: headers.get("content-type") }).toEqual({
    status: 200,
    type: "text/plain; version=0.0.4; charset=utf-8",
  });
  return parseScrape(text);
});

/** So many seconds, give or take the time of a test on a busy machine. */
function seconds(expected: number): unknown {
  return expect.toSatisfy((value: number) => Math.abs(value - expected) < 60, `about ${expected} seconds`);
}

test("where nothing waits, everything is zero and nothing runs out", async ({ scrape }) => {
  const scraped = await scrape();
  expect(scraped).toMatchObject({
    meter_outbox_database_up: 1,
    'meter_outbox_unsealed_entries{meter="temperature_readings",held="false"}': 0,
    'meter_outbox_unsealed_oldest_age_seconds{held="false"}': 0,
    'meter_outbox_meter_events{state="in_doubt",meter="active_sensors"}': 0,
    'meter_outbox_delivery_paused{scope="account",by="breaker"}': 0,
    'meter_outbox_webhook_events{state="pending"}': 0,
    meter_outbox_webhook_oldest_pending_age_seconds: 0,
    'meter_outbox_default_partition_rows{table="readings"}': 0,
  });
  expect(seriesOf(scraped, "meter_outbox_expiry_seconds_left")).toEqual([]);
  expect(seriesOf(scraped, "meter_outbox_identifier_seconds_left")).toEqual([]);
  expect(seriesOf(scraped, "meter_outbox_sensor_count_age_seconds")).toEqual([]);
});

test("unsealed usage is shown apart from usage that is held", async ({ scrape, database: { db } }) => {
  const linked = await addOrganization(db, { customer: "cus_1" });
  await appendEntries(db, linked, [
    { at: ago(10 * minuteMs), quantity: 3 },
    { at: ago(40 * minuteMs), quantity: 4 },
  ]);
  await appendEntries(db, await addOrganization(db), [{ at: ago(3 * dayMs), quantity: 7 }]);

  expect(await scrape()).toMatchObject({
    'meter_outbox_unsealed_entries{meter="temperature_readings",held="false"}': 2,
    'meter_outbox_unsealed_quantity{meter="temperature_readings",held="false"}': 7,
    'meter_outbox_unsealed_oldest_age_seconds{held="false"}': seconds(40 * 60),
    'meter_outbox_unsealed_entries{meter="temperature_readings",held="true"}': 1,
    'meter_outbox_unsealed_oldest_age_seconds{held="true"}': seconds(3 * 86_400),
    'meter_outbox_expiry_seconds_left{of="entry"}': seconds(31 * 86_400),
  });
});

test("a draft that Stripe should have finalized and usage that two subscriptions bill are counted", async ({
  scrape,
  database: { db },
}) => {
  const [periodStart, periodEnd] = [ago(33 * dayMs), ago(3 * dayMs)];
  const id = await addOrganization(db, { customer: "cus_1", periodStart, periodEnd });
  const usedAt = ago(20 * dayMs);
  await addMeterEvent(db, {
    organization_id: id,
    event_at: usedAt,
    state: "delivered",
    delivered_at: usedAt,
  });
  const bill = (subscription: string) => sql`
    insert into metering.billing_invoices (
      organization_id, invoice_id, period_start, stripe_customer_id, stripe_subscription_id, status, invoiced, created_at,
      finalizes_at, read_began_at
    )
    values (
      ${id}, ${`in_of_${subscription}`}, ${periodStart}, 'cus_1', ${subscription}, 'draft', '{"temperature_readings": "5"}',
      ${periodEnd}, ${periodEnd}, now()
    )
  `;
  expect(await scrape()).toMatchObject({
    meter_outbox_invoices_overdue: 0,
    meter_outbox_billed_twice_organizations: 0,
  });

  await bill("sub_1").execute(db);
  await bill("sub_2").execute(db);

  const summaries = (await readConditions(db, { billableStatuses: ["active"] })).map(summaryOf);
  expect(summaries).toEqual(
    expect.arrayContaining([
      "2 draft invoices wait for a person to finalize them",
      "Two subscriptions or prices bill the same usage of 1 organizations",
    ]),
  );
});

test("linked organizations that are not billable are counted", async ({ scrape, database: { db } }) => {
  await addOrganization(db);
  await addOrganization(db, { customer: "cus_1" });
  const ended = await addOrganization(db, { customer: "cus_2" });
  await sql`
    update metering.subscriptions set status = 'canceled' where organization_id = ${ended}
  `.execute(db);
  expect(await scrape()).toMatchObject({ meter_outbox_unbillable_organizations: 1 });
});

test("a meter's name that other services made up makes no series of its own", async ({
  scrape,
  database: { db },
}) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  for (const meter of ["made_up", "also_made_up"]) {
    await sql`
      insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
      values (${id}, now(), metering.uuid_v7(now()), ${meter}, 2)
    `.execute(db);
  }
  expect(await scrape()).toMatchObject({
    'meter_outbox_unsealed_entries{meter="unknown",held="false"}': 2,
  });
});

test("open meter events are shown by state, with the time that the worst of them has left", async ({
  scrape,
  database: { db },
}) => {
  await addMeterEvent(db, { quantity: 5 });
  await addMeterEvent(db, {
    quantity: 6,
    event_at: ago(2 * hourMs),
    attempts_started: 1,
    attempts_finished: 1,
    first_unknown_at: ago(hourMs),
  });
  await addMeterEvent(db, { state: "in_doubt", quantity: 7, event_at: ago(30 * dayMs) });
  await addMeterEvent(db, { state: "expired", event_at: ago(40 * dayMs) });
  await addMeterEvent(db, { state: "delivered", event_at: ago(40 * dayMs), delivered_at: new Date() });

  const scraped = await scrape();
  expect(scraped).toMatchObject({
    'meter_outbox_meter_events{state="pending",meter="temperature_readings"}': 2,
    'meter_outbox_meter_events_quantity{state="pending",meter="temperature_readings"}': 11,
    'meter_outbox_meter_events_oldest_age_seconds{state="pending",meter="temperature_readings"}':
      seconds(7_200),
    'meter_outbox_meter_events{state="in_doubt",meter="temperature_readings"}': 1,
    'meter_outbox_meter_events{state="expired",meter="temperature_readings"}': 1,
    meter_outbox_identifier_seconds_left: seconds(22 * 3_600),
    'meter_outbox_expiry_seconds_left{of="meter_event"}': seconds(4 * 86_400),
  });
  expect(seriesOf(scraped, 'meter_outbox_meter_events{state="delivered"')).toEqual([]);
});

test("what is past a limit has no time left, and no alert tells of less than none", async ({
  scrape,
  database: { db },
}) => {
  await appendEntries(db, await addOrganization(db), [{ at: ago(62 * dayMs), quantity: 1 }]);
  await addMeterEvent(db, {
    event_at: ago(50 * dayMs),
    attempts_started: 1,
    attempts_finished: 1,
    first_unknown_at: ago(49 * dayMs),
  });
  const [periodStart, periodEnd] = [ago(31 * dayMs), ago(dayMs)];
  const id = await addOrganization(db, { customer: "cus_draft", periodStart, periodEnd });
  await db.updateTable("billing_periods").set({ books: "different" }).execute();
  await sql`
    insert into metering.billing_invoices
      (organization_id, invoice_id, period_start, stripe_customer_id, status, invoiced, created_at, finalizes_at, read_began_at)
    values (${id}, 'in_1', ${periodStart}, 'cus_draft', 'draft', '{}', ${periodEnd}, now() - interval '3 hours', now())
  `.execute(db);

  expect(await scrape()).toMatchObject({
    'meter_outbox_expiry_seconds_left{of="entry"}': 0,
    'meter_outbox_expiry_seconds_left{of="meter_event"}': 0,
    meter_outbox_identifier_seconds_left: 0,
    meter_outbox_open_draft_seconds_left: 0,
  });
  const summaries = (await readConditions(db, { billableStatuses: ["active"] })).map(summaryOf);
  expect(summaries).toEqual(
    expect.arrayContaining([
      "Undelivered usage (entry) is over 30 days old; Stripe takes it for 0s more",
      "Undelivered usage (meter_event) is over 30 days old; Stripe takes it for 0s more",
    ]),
  );
  expect(summaries.join("\n")).not.toMatch(/-\d/);
});

test("a pause of the circuit breaker's is told from an operator's", async ({ scrape, database: { db } }) => {
  const pause = { reason: "meter_unavailable", firstMs: 60_000, maxMs: 60_000 };
  await trip(db, { scope: "active_sensors", ...pause }, { isProbe: false });
  await sql`
    update metering.delivery_control set paused_at = now() - interval '10 minutes' where scope = 'active_sensors'
  `.execute(db);
  await pauseDelivery(db, "maintenance");

  expect(await scrape()).toMatchObject({
    'meter_outbox_delivery_paused{scope="active_sensors",by="breaker"}': 1,
    'meter_outbox_delivery_paused_seconds{scope="active_sensors",by="breaker"}': seconds(600),
    'meter_outbox_delivery_paused{scope="account",by="breaker"}': 0,
    'meter_outbox_delivery_paused{scope="account",by="operator"}': 1,
    'meter_outbox_delivery_paused{scope="temperature_readings",by="operator"}': 0,
  });
});

test("webhook events count until they are handled", async ({ scrape, database: { db } }) => {
  await sql`
    insert into metering.stripe_events (event_id, event_type, livemode, payload, received_at, state, handled_at)
    values
      ('evt_1', 'x', false, '{}', now() - interval '5 minutes', 'pending', null),
      ('evt_2', 'x', false, '{}', now() - interval '1 hour', 'failed', null),
      ('evt_3', 'x', false, '{}', now() - interval '1 hour', 'handled', now())
  `.execute(db);

  const scraped = await scrape();
  expect(scraped).toMatchObject({
    'meter_outbox_webhook_events{state="pending"}': 1,
    'meter_outbox_webhook_events{state="failed"}': 1,
    'meter_outbox_webhook_events{state="refused"}': 0,
    meter_outbox_webhook_oldest_pending_age_seconds: seconds(300),
  });
  expect(seriesOf(scraped, 'meter_outbox_webhook_events{state="handled"}')).toEqual([]);
});

test("a missed sensor count and a missing partition are seen", async ({ scrape, database: { db } }) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  await sql`
    insert into metering.sensor_counts (organization_id, hour, active_sensors)
    values (${id}, now() - interval '3 hours', 1), (${id}, now() - interval '2 hours', 1)
  `.execute(db);
  await appendEntries(db, id, [{ at: ago(400 * dayMs), quantity: 1 }]);

  expect(await scrape()).toMatchObject({
    meter_outbox_sensor_count_age_seconds: seconds(7_200),
    'meter_outbox_default_partition_rows{table="meter_outbox"}': 1,
  });
});

test("readings count by result, and requests by the pattern of their route", async ({ api, scrape }) => {
  const { key } = await api.join();
  await api.ask("PUT", "/v1/sensors/freezer-1", { token: key });
  const reading = { sensor_id: "freezer-1", recorded_at: new Date().toISOString(), temperature: -18 };
  const ofUnknown = { ...reading, sensor_id: "unknown" };
  await api.ask("POST", "/v1/readings", { token: key, json: [reading, ofUnknown] });
  await api.ask("POST", "/v1/readings", { token: key, json: [reading] });
  const line = { text: JSON.stringify(ofUnknown), headers: { "content-type": "application/x-ndjson" } };
  await api.ask("POST", "/v1/readings", { token: key, ...line });
  await api.ask("GET", "/v1/sensors/freezer-1");
  await api.ask("GET", "/no/such/path");

  expect(await scrape()).toMatchObject({
    'meter_outbox_readings_total{result="accepted"}': 1,
    'meter_outbox_readings_total{result="duplicate"}': 1,
    'meter_outbox_readings_total{result="unknown_sensor"}': 2,
    'meter_outbox_http_requests_total{method="POST",route="/v1/readings",status="200"}': 2,
    'meter_outbox_http_requests_total{method="POST",route="/v1/readings",status="422"}': 1,
    'meter_outbox_http_requests_total{method="GET",route="/v1/sensors/:sensor_id",status="401"}': 1,
    'meter_outbox_http_requests_total{method="any",route="none",status="404"}': 1,
    'meter_outbox_http_request_duration_seconds_count{method="POST",route="/v1/readings"}': 3,
  });
});
