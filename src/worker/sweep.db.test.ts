import { sql } from "kysely";
import { expect } from "vitest";
import { sealQueue, stripeEventsQueue } from "../queue/queues.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { addMeterEvent, ago, minuteMs } from "../testing/rows/meter-events.ts";
import { takeNodeAway } from "../testing/rows/node-away.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { sweep } from "./sweep.ts";

const retry = { retryDelay: 1, retryDelayMax: 2, expireInSeconds: 45 };

test("while a node of a cluster is away, the seal and webhook events whose jobs were lost are reminded of", async ({
  database: { db },
  boss,
}) => {
  const away = await addOrganization(db, { customer: "cus_away" });
  await addMeterEvent(db, { organization_id: away, event_at: ago(35 * 24 * 60 * minuteMs) });
  await takeNodeAway(db, away);
  await sql`
    insert into metering.stripe_events (event_id, event_type, livemode, payload, received_at)
    values ('evt_1', 'invoice.paid', false, '{}', now() - interval '1 hour')
  `.execute(db);

  const sweeping = sweep({ db, boss, log: createRecordingLog().log }, retry);

  await expect(sweeping).rejects.toThrow("connection to the remote node failed");
  expect(await boss.findJobs(sealQueue.name)).toHaveLength(1);
  expect(await boss.findJobs(stripeEventsQueue.name)).toMatchObject([{ data: { eventId: "evt_1" } }]);
});
