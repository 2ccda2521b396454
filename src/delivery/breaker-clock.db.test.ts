import { expect, onTestFinished, vi } from "vitest";
import { silentLog } from "../log.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { hourMs } from "../testing/rows/hours.ts";
import { meterNames } from "../usage/meters.ts";
import { createBreaker } from "./breaker.ts";
import { account, trip } from "./pauses.ts";

test("a pause's time is over by the database's clock, also for a worker whose own is behind", async ({
  database: { db },
}) => {
  await trip(db, { scope: account, reason: "unauthorized", firstMs: 0, maxMs: 0 }, { isProbe: false });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - hourMs });
  onTestFinished(() => void vi.useRealTimers());
  const breaker = createBreaker({ db, log: silentLog }, { leaseSeconds: 45 });

  // Nothing waits that could be the probe.
  expect(await breaker.openMeters()).toEqual(meterNames);
  expect(await breaker.permitFor("temperature_readings")).toEqual({ kind: "probe", scope: account });
});
