import { sql } from "kysely";
import { Registry } from "prom-client";
import { expect, onTestFinished } from "vitest";
import { deliverQueueOf, queues, sealQueue, shipmentQueueOf } from "../queue/queues.ts";
import { workQueue } from "../queue/work-queue.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { workerConfig } from "../testing/processes/worker-config.ts";
import { meterNames } from "../usage/meters.ts";
import { startJobs } from "./worker-jobs.ts";

/** The delivery loop fetches these itself, logs failures under its own events, and counts them all as `delivery`. */
const delivered = new Set(meterNames.flatMap((meter) => [deliverQueueOf(meter), shipmentQueueOf(meter)]));
const handled = queues.map(({ name }) => name).filter((name) => !delivered.has(name));

test("every job whose handler fails is logged with its queue, and counted", async ({
  database,
  boss,
  account,
}) => {
  for (const queue of handled) await boss.send(queue, { eventId: "evt_1" });
  await sql`alter schema metering rename to metering_gone`.execute(database.db);
  const { log, events } = createRecordingLog();
  const registry = new Registry();
  const access = database.as("worker");
  const worker = await startJobs(
    { db: access.db, log, registry },
    workerConfig({ databaseUrl: access.url, account }),
  );
  // Long enough for jobs that run at this moment: they hold connections.
  onTestFinished(() => worker.stop(20_000));

  const failed = () =>
    new Set(events.filter(({ event }) => event === "job_failed").map(({ queue }) => queue));
  await until(() => handled.every((queue) => failed().has(queue)), {
    what: "every job to fail",
    standing: () => [...failed()].join(", "),
  });
  await until(() => events.some(({ event }) => event === "sweep_failed"), { what: "the sweep to fail" });

  const queuesCounted = async () => {
    const { values } = (await registry.getSingleMetric("meter_outbox_job_failures_total")?.get()) ?? {
      values: [],
    };
    return values
      .filter(({ value }) => value > 0)
      .map(({ labels }) => String(labels["queue"]))
      .toSorted();
  };
  await expect
    .poll(queuesCounted)
    .toEqual(
      [
        ...handled,
        "delivery",
        "expiry-check",
        "figures",
        "invoice-check",
        "retention-check",
        "sensor-changes",
        "sweep",
      ].toSorted(),
    );
});

test("a handler that outlives its job's lease is told of, too", async ({ boss }) => {
  const { log, events } = createRecordingLog();
  const released = Promise.withResolvers<void>();
  onTestFinished(() => released.resolve());
  await boss.updateQueue(sealQueue.name, { expireInSeconds: 1 });
  await workQueue({ boss, log }, { queue: sealQueue.name }, () => released.promise);
  await boss.send(sealQueue.name, {});

  await until(() => events.length > 0, { what: "the failure to be logged" });
  expect(events).toMatchObject([{ event: "job_failed", queue: sealQueue.name }]);
});
