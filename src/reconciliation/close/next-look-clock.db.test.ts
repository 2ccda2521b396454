import { sql } from "kysely";
import { expect, onTestFinished, vi } from "vitest";
import { closeTest as test } from "../../testing/fixtures/close-fixture.ts";

const minuteMs = 60_000;

test("a worker whose clock is ahead puts off no period's next look", async ({ close, database: { db } }) => {
  await close.adopt(close.endPeriod());
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 20 * minuteMs });
  onTestFinished(() => void vi.useRealTimers());

  await close.look();

  const { rows } = await sql<{ seconds: number }>`
    select extract(epoch from next_look_at - now())::float8 as seconds
    from metering.billing_periods where period_start = ${close.start}
  `.execute(db);
  expect(rows).toEqual([{ seconds: expect.closeTo(60, -2) as unknown }]);
});
