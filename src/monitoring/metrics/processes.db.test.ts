import { expect } from "vitest";
import { appendEntries } from "../../testing/rows/entries.ts";
import { findFreePort } from "../../testing/net/free-port.ts";
import { patienceMs } from "../../testing/processes/patience.ts";
import { parseScrape } from "../../testing/net/scraped.ts";
import { serviceTest as test } from "../../testing/fixtures/service-fixture.ts";

test("the API and the worker each answer for themselves, and for the database", async ({
  launch,
  road,
  database: { db },
}) => {
  const { id } = await road.join();
  await appendEntries(db, id, [{ at: new Date(), quantity: 12 }]);
  const api = launch("api");
  const worker = launch("worker", { WORKER_PORT: String(await findFreePort()) });
  await Promise.all([api.started(), worker.started()]);
  await road.untilBilled();

  await expect
    .poll(() => scrape(worker.url()), { timeout: patienceMs(20_000) })
    .toMatchObject({
      'meter_outbox_delivery_attempts_total{meter="temperature_readings",verdict="delivered",reason="accepted",process="worker"}': 1,
      'meter_outbox_settled_total{meter="temperature_readings",state="delivered",process="worker"}': 1,
      'meter_outbox_delivered_quantity_total{meter="temperature_readings",process="worker"}': 12,
      'meter_outbox_stripe_request_duration_seconds_count{process="worker",status="2xx"}': 1,
      'meter_outbox_delivery_rate_events_per_second_max{process="worker"}': 2_000,
      'meter_outbox_database_up{process="worker"}': 1,
    });
  expect(await scrape(api.url())).toMatchObject({
    'meter_outbox_database_up{process="api"}': 1,
    'meter_outbox_meter_events{state="pending",meter="temperature_readings",process="api"}': 0,
  });
});

async function scrape(url: string): Promise<Record<string, number>> {
  const answer = await fetch(`${url}/metrics`);
  return parseScrape(await answer.text());
}
