import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { openDatabase } from "../../database/pool.ts";
import { createApp } from "../../http/app.ts";
import { silentLog } from "../../log.ts";
import { findFreePort } from "../../testing/net/free-port.ts";
import { createRecordingLog } from "../../testing/processes/recording-log.ts";
import { parseScrape, seriesOf } from "../../testing/net/scraped.ts";
import type { MeasurerLimits } from "./measurer.ts";
import { mountMetrics } from "./metrics-route.ts";
import { createProcessRegistry } from "./registry.ts";
import { listen } from "../../testing/net/listen.ts";

const stillThere = {
  'meter_outbox_database_up{process="worker"}': 0,
  'meter_outbox_database_connections_max{pool="main",process="worker"}': 3,
  'meter_outbox_process_cpu_seconds_total{process="worker"}': expect.any(Number) as unknown,
  'meter_outbox_nodejs_eventloop_lag_p99_seconds{process="worker"}': expect.any(Number) as unknown,
};

function createScraper(port: number, limits?: Partial<MeasurerLimits>) {
  const connectionString = `postgres://127.0.0.1:${port}/metering`;
  const way = openDatabase({ connectionString, applicationName: "metrics", connectionsMax: 3 }, silentLog);
  onTestFinished(way.close);
  const { log, events } = createRecordingLog();
  const app = createApp({ log: silentLog });
  mountMetrics(
    app,
    {
      registry: createProcessRegistry("worker"),
      db: way.db,
      pools: { main: way.pool },
      log,
      billableStatuses: [],
    },
    limits,
  );
  const scrape = async () => {
    const answer = await app.request("/metrics");
    expect(answer.status).toBe(200);
    return parseScrape(await answer.text());
  };
  return { scrape, events };
}

test("a scrape while the database refuses connections answers for the process", async () => {
  const { scrape, events } = createScraper(await findFreePort());
  const scraped = await scrape();
  expect(scraped).toMatchObject(stillThere);
  expect(seriesOf(scraped, "meter_outbox_meter_events")).toEqual([]);
  expect(seriesOf(scraped, "meter_outbox_identifier_seconds_left")).toEqual([]);
  expect(events).toMatchObject([{ event: "metrics_read_failed", read: "unsealed_ages" }]);
});

test("a scrape while the database takes connections and says nothing answers in time", async () => {
  const mute = createServer((socket) => onTestFinished(() => void socket.destroy()));
  const port = await listen(mute);
  onTestFinished(() => void mute.close());

  expect(await createScraper(port, { deadlineMs: 200 }).scrape()).toMatchObject(stillThere);
});
