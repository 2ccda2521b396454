import { sql } from "kysely";
import { expect } from "vitest";
import { addMonths, startOfMonth } from "../database/months.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { leavePlaceholder, storeUnsummarized } from "../testing/rows/block-ranges.ts";
import { keepPartitions } from "./partitions-job.ts";

const test = databaseTest.skipIf(localOnly("block ranges are mended on the server that is asked"));

test("the daily job tells of the block ranges that it has mended, once", async ({ database }) => {
  await storeUnsummarized(database.db);
  await leavePlaceholder(database.pool);
  const { log, events } = createRecordingLog();
  const keep = () => keepPartitions({ db: database.as("worker").db, log }, { readingsMaxAgeDays: 34 });

  await keep();
  await keep();

  expect(events).toEqual([{ event: "block_ranges_mended", ranges: expect.any(Number) as unknown }]);
});

databaseTest(
  "a row that keeps a month's partition from being made is told of, although the job fails for it",
  async ({ database: { db } }) => {
    const next = addMonths(startOfMonth(new Date()), 1);
    const partition = `readings_${next.toISOString().slice(0, 7).replace("-", "_")}`;
    await sql`drop table ${sql.id("metering", partition)}`.execute(db);
    await sql`
      insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
      values (gen_random_uuid(), 'freezer-1', ${next}, 1, gen_random_uuid())
    `.execute(db);
    const { log, at } = createRecordingLog();

    await expect(keepPartitions({ db, log }, { readingsMaxAgeDays: 34 })).rejects.toThrow(
      "partitions: some partitions were not made",
    );

    expect(at("error")).toEqual([
      { event: "default_partition_not_empty", readings: 1, meter_outbox: 0, delivery_attempts: 0 },
    ]);
  },
);
