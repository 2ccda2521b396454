import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { parseScrape } from "../../testing/net/scraped.ts";
import { showPools } from "./pool-metrics.ts";

test("each pool of the process shows its own connections, and who waits for one of them", async () => {
  const registry = new Registry();
  const main = { totalCount: 3, idleCount: 3, waitingCount: 0, options: { max: 10 } };
  const operators = { totalCount: 4, idleCount: 0, waitingCount: 36, options: { max: 4 } };
  showPools(registry, { main, operators });

  expect(parseScrape(await registry.metrics())).toEqual({
    'meter_outbox_database_connections{pool="main",state="idle"}': 3,
    'meter_outbox_database_connections{pool="main",state="busy"}': 0,
    'meter_outbox_database_connections{pool="operators",state="idle"}': 0,
    'meter_outbox_database_connections{pool="operators",state="busy"}': 4,
    'meter_outbox_database_connections_waited_for{pool="main"}': 0,
    'meter_outbox_database_connections_waited_for{pool="operators"}': 36,
    'meter_outbox_database_connections_max{pool="main"}': 10,
    'meter_outbox_database_connections_max{pool="operators"}': 4,
  });
});
