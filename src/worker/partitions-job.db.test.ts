import { expect } from "vitest";
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
