import { sql } from "kysely";
import { expect } from "vitest";
import { readFigureProgress } from "../monitoring/figures/read-figures.ts";
import { readConditions } from "../monitoring/alerts/read-conditions.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { until } from "../testing/processes/until.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { startFigures } from "./figures-job.ts";
import { billableByDefault } from "../usage/subscription-statuses.ts";

const hourAgo = new Date((Math.floor(Date.now() / 60_000) - 60) * 60_000);

test("figures that cannot be written are logged, counted and an alert, and are written when they can be", async ({
  database,
  boss,
}) => {
  const { db } = database;
  await db.updateTable("figure_progress").set({ written_until: hourAgo, final_until: hourAgo }).execute();
  await sql`
    insert into metering.processes (id, kind, started_at)
    values (gen_random_uuid(), 'worker', now() - interval '2 hours')
  `.execute(db);
  await sql`alter table metering.minute_figures rename to away`.execute(db);
  const { log, events } = createRecordingLog();
  const failed: string[] = [];
  const deps = {
    db: database.as("worker").db,
    boss,
    log,
    onJobFailed: (queue: string) => failed.push(queue),
  };
  const figures = startFigures(deps, { lookEveryMs: 20 });
  try {
    await until(() => failed.length > 0, { what: "a failure" });
    expect(failed[0]).toBe("figures");
    expect(events[0]).toMatchObject({ event: "figures_failed" });
    expect(await readConditions(db, { billableStatuses: billableByDefault })).toMatchObject([
      { rule: { name: "MeterOutboxFiguresOld" } },
    ]);

    await sql`alter table metering.away rename to minute_figures`.execute(db);
    const isCurrent = async () => Date.now() - (await readFigureProgress(db)).finalUntil.getTime() < 400_000;
    await until(isCurrent, { what: "the figures of the hour" });
    expect(await readConditions(db, { billableStatuses: billableByDefault })).toEqual([]);
  } finally {
    await figures.stop();
  }
});
