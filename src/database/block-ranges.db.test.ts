import { expect } from "vitest";
import { localOnly } from "../testing/postgres/local-only.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { holdOpen } from "../testing/postgres/locks.ts";
import {
  countPagesRead,
  leavePlaceholder,
  pagesOfTwoRanges,
  readingsOf,
  storeUnsummarized,
} from "../testing/rows/block-ranges.ts";
import { mendBlockRanges } from "./block-ranges.ts";

const test = databaseTest.skipIf(localOnly("block ranges are mended on the server that is asked"));

test("a block range that a cancelled vacuum left without a summary is summarized again", async ({
  database,
}) => {
  const { db, pool } = database;
  await storeUnsummarized(db);
  await leavePlaceholder(pool);
  expect(await countPagesRead(pool)).toBeGreaterThan(pagesOfTwoRanges);
  const worker = database.as("worker").db;

  expect(await mendBlockRanges(worker)).toBeGreaterThan(0);

  expect(await countPagesRead(pool)).toBe(0);
  expect(await mendBlockRanges(worker)).toBe(0);
});

test("what no vacuum has summarized yet is summarized, and is nothing to mend", async ({
  database: { db, pool },
}) => {
  await storeUnsummarized(db);
  expect(await countPagesRead(pool)).toBeGreaterThan(pagesOfTwoRanges);

  expect(await mendBlockRanges(db)).toBe(0);

  expect(await countPagesRead(pool)).toBe(0);
});

test("a month at which a vacuum is at work is left alone, and the others are mended", async ({
  database: { db, pool },
}) => {
  await storeUnsummarized(db);
  await leavePlaceholder(pool);
  // Its index comes after that of the other.
  const later = "2031-06";
  await storeUnsummarized(db, later);
  const release = await holdOpen(pool, `lock table ${readingsOf()} in share update exclusive mode`);

  expect(await mendBlockRanges(db)).toBe(0);

  expect(await countPagesRead(pool)).toBeGreaterThan(pagesOfTwoRanges);
  expect(await countPagesRead(pool, later)).toBe(0);
  await release();
  expect(await mendBlockRanges(db)).toBeGreaterThan(0);
});
