import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { openWatched, tookTooLong } from "../testing/postgres/watched-statements.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { addDueEvent } from "../testing/rows/meter-events.ts";
import { eachOnItsNode } from "../testing/rows/node-away.ts";
import { meterNames } from "../usage/meters.ts";
import { createBreaker } from "./breaker.ts";
import { account } from "./pauses.ts";
import { takeUnfailed } from "./take-unfailed.ts";

test("new usage is sealed to probe with while a node is away, once the pause's time is over", async ({
  database: { db, url },
}) => {
  const watched = openWatched(url, (text) => {
    if (text.includes("metering.meter_events")) throw tookTooLong();
  });
  const { log } = createRecordingLog();
  const worker = () => createBreaker({ db: watched, log }, { leaseSeconds: 45 });
  try {
    await pauseFor(db, 60);
    expect(await worker().openMeters()).toEqual([]);

    await pauseFor(db, -1);
    expect(await worker().openMeters()).toEqual(meterNames);
  } finally {
    await watched.destroy();
  }
});

test("while a node gives no answer, a pause's probe is an event of another, and no new usage is sealed for it", async ({
  database: { db, url },
  boss,
}) => {
  const { log } = createRecordingLog();
  const silent = await addDueEvent({ db, boss }, { stripe_customer_id: "cus_silent" });
  const answers = await addDueEvent({ db, boss }, { stripe_customer_id: "cus_answers" });
  const shards = eachOnItsNode([silent.organizationId, answers.organizationId]);
  const watched = openWatched(url, (text, values) => {
    if (!text.includes("metering.meter_events")) return;
    if (!JSON.stringify(values).includes(answers.organizationId)) throw tookTooLong();
  });
  const ofCluster: Db = Object.assign(watched, { shards });
  try {
    await pauseFor(db, -1);

    expect(await createBreaker({ db: ofCluster, log }, { leaseSeconds: 45 }).openMeters()).toEqual([]);
    const probe = await takeUnfailed({ db: ofCluster, boss, log, shards }, account, { leaseSeconds: 45 });
    expect(probe).toMatchObject([{ attempt: answers }]);
  } finally {
    await watched.destroy();
  }
});

function pauseFor(db: Db, seconds: number) {
  return sql`
    insert into metering.delivery_control as c (scope, paused_until, reason, paused_at)
    values ('account', now() + make_interval(secs => ${seconds}), 'stripe_unavailable', now())
    on conflict (scope) do update
    set paused_until = excluded.paused_until, reason = excluded.reason, paused_at = excluded.paused_at
  `.execute(db);
}
