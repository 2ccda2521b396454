import { expect, onTestFinished, vi } from "vitest";
import { silentLog } from "../log.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { until } from "../testing/processes/until.ts";
import { createBoss } from "./boss.ts";
import { stripeEventsQueue } from "./queues.ts";
import { steadyClock } from "./steady-clock.ts";
import { workQueue } from "./work-queue.ts";

const queue = stripeEventsQueue.name;
const hourMs = 3_600_000;
/** Several times what pg-boss waits for its next look, and far less than an hour. */
const soonMs = 30_000;

test("a queue is asked again when its turn comes, also where the machine's clock was set back while a job ran", async ({
  database,
}) => {
  const boss = await startWorkersBoss(database.as("worker").url);
  const handled: unknown[] = [];
  await workQueue({ boss, log: silentLog }, { queue, pollingIntervalSeconds: 0.5 }, async ([job]) => {
    handled.push(job?.id);
    if (handled.length === 1) setBack();
  });
  // Of two jobs with the same key the queue takes the second only once the first has ended.
  const first = await boss.send(queue, {}, { singletonKey: "first" });
  await until(() => handled.length === 1, { what: "the first job" });
  const second = await boss.send(queue, {}, { singletonKey: "second" });

  await until(() => handled.length === 2, { what: "the second job", withinMs: soonMs });
  expect(handled).toEqual([first, second]);
});

test("the job of a lost worker is found when its lease ends, also where the machine's clock was set back", async ({
  database,
  boss: lost,
}) => {
  const boss = await startWorkersBoss(database.as("worker").url);
  setBack();
  const id = await lost.send(queue, {}, { expireInSeconds: 1 });
  expect(await lost.fetch(queue)).toHaveLength(1);

  await until(async () => (await boss.findJobs(queue, { id: id ?? "" }))[0]?.state === "retry", {
    what: "the job to be given back",
    withinMs: soonMs,
  });
});

test("a process that started while the machine's clock was wrong warns of no clock that is right by now", async ({
  database,
}) => {
  const { log, events } = createRecordingLog();
  const origin = vi.spyOn(performance, "timeOrigin", "get").mockReturnValue(performance.timeOrigin - hourMs);
  onTestFinished(() => origin.mockRestore());
  await startWorkersBoss(database.as("worker").url, log);

  expect(steadyClock.now()).toBeLessThan(Date.now() - hourMs / 2);
  expect(events).toEqual([]);
});

async function startWorkersBoss(databaseUrl: string, log = silentLog) {
  const boss = createBoss({ databaseUrl, role: "worker", connectionsMax: 2 }, log);
  onTestFinished(() => boss.stop({ graceful: false }));
  await boss.start();
  return boss;
}

function setBack(): void {
  const { now } = Date;
  const clock = vi.spyOn(Date, "now").mockImplementation(() => now() - hourMs);
  onTestFinished(() => clock.mockRestore());
}
