import { sql } from "kysely";
import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { addMeterEvent } from "../testing/rows/meter-events.ts";
import { countMeterEvents } from "./match-meter-events.ts";

test("what an action on all concerns is counted up to a bound, and more is told as more", async ({
  database: { db },
}) => {
  for (const quantity of [1, 2, 4]) await addMeterEvent(db, { state: "in_doubt", quantity });
  await addMeterEvent(db, { state: "rejected", quantity: 100 });
  await sql`analyze metering.meter_events`.execute(db);
  const count = (max: number) => countMeterEvents(db, { state: "in_doubt" }, { max });
  expect(await count(3)).toEqual({ count: 3, quantity: 7, isMore: false });
  expect(await count(2)).toMatchObject({ count: 2, isMore: true });
});
