import { sql } from "kysely";
import { expect } from "vitest";
import { silentLog } from "../log.ts";
import { ensureQueues } from "../queue/install.ts";
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

test("a step of the sweep that fails stops none of the others", async ({ database: { db }, boss }) => {
  await ensureQueues(boss, retry);
  // A cluster is asked for the organizations that there are.
  await addOrganization(db);
  await sql`
    insert into metering.stripe_events (event_id, event_type, livemode, payload, received_at)
    values ('evt_1', 'invoice.paid', false, '{}', now() - interval '2 minutes')
  `.execute(db);
  await sql`
    insert into metering.processes (id, kind, seen_at)
    values (gen_random_uuid(), 'worker', now() - interval '31 days')
  `.execute(db);
  await sql`alter table metering.meter_events rename to meter_events_gone`.execute(db);
  await sql`delete from pgboss.job`.execute(db);

  await expect(sweep({ db, boss, log: silentLog }, retry)).rejects.toThrow(
    /^meter events: relation "metering\.meter_events" does not exist/,
  );

  const jobs = await sql<{ name: string }>`
    select name from pgboss.job where state = 'created' order by name
  `.execute(db);
  expect(jobs.rows.map(({ name }) => name)).toEqual(["apply-stripe-event", "seal-entries"]);
  const old = await sql`select from metering.processes where seen_at < now() - interval '30 days'`.execute(
    db,
  );
  expect(old.rows).toEqual([]);
});
