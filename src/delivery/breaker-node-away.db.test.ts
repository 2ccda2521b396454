import { sql } from "kysely";
import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { openWatched, tookTooLong } from "../testing/postgres/watched-statements.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { meterNames } from "../usage/meters.ts";
import { createBreaker } from "./breaker.ts";

test("new usage is sealed to probe with while a node is away, once the pause's time is over", async ({
  database: { db, url },
}) => {
  const watched = openWatched(url, (text) => {
    if (text.includes("metering.meter_events")) throw tookTooLong();
  });
  const { log } = createRecordingLog();
  const worker = () => createBreaker({ db: watched, log }, { leaseSeconds: 45 });
  try {
    const pausedUntil = (seconds: number) =>
      sql`
        insert into metering.delivery_control as c (scope, paused_until, reason, paused_at)
        values ('account', now() + make_interval(secs => ${seconds}), 'stripe_unavailable', now())
        on conflict (scope) do update
        set paused_until = excluded.paused_until, reason = excluded.reason, paused_at = excluded.paused_at
      `.execute(db);

    await pausedUntil(60);
    expect(await worker().openMeters()).toEqual([]);

    await pausedUntil(-1);
    expect(await worker().openMeters()).toEqual(meterNames);
  } finally {
    await watched.destroy();
  }
});
