import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { sql } from "kysely";
import { Registry } from "prom-client";
import { expect, onTestFinished } from "vitest";
import { z } from "zod";
import { createRecordingLog } from "../../testing/processes/recording-log.ts";
import { listen } from "../../testing/net/listen.ts";
import { holdOpen } from "../../testing/postgres/locks.ts";
import { serviceTest as test } from "../../testing/fixtures/service-fixture.ts";
import { until } from "../../testing/processes/until.ts";
import { watchAlerts } from "./watch-alerts.ts";
import { billableByDefault } from "../../usage/subscription-statuses.ts";

const secret = "T000-B000-hunter2";
const postSchema = z.object({
  text: z.string(),
  id: z.string(),
  alert: z.string(),
  state: z.enum(["began", "ended"]),
  ended_at: z.string().nullable(),
});

type Receiver = { url: string; posts: z.infer<typeof postSchema>[]; answer: number };

test("an alert is told once when it begins and once when it is over, whatever workers come and go", async ({
  database: { db },
  launch,
}) => {
  const receiver = await receive();
  const environment = { ALERT_WEBHOOK_URL: receiver.url };
  await failWebhookEvent();
  const [first, second] = [launch("worker", environment), launch("worker", environment)];
  await until(() => receiver.posts.length > 0, { what: "a post", standing: first.output });
  await first.stop();

  const third = launch("worker", environment);
  await Promise.all([second.started(), third.started()]);
  await sql`update metering.stripe_events set state = 'pending', handled_at = null, received_at = now()`.execute(
    db,
  );
  await sql`
    update metering.alerts set false_since = now() - interval '1 hour' where name = 'MeterOutboxWebhookFailed'
  `.execute(db);
  await lookAgain();
  await third.stop();
  const fourth = launch("worker", environment);
  await until(() => receiver.posts.length > 1, { what: "the end", standing: fourth.output });

  expect(receiver.posts).toMatchObject([
    { alert: "MeterOutboxWebhookFailed", state: "began", ended_at: null },
    { alert: "MeterOutboxWebhookFailed", state: "ended", ended_at: expect.any(String) },
  ]);
  const [began, ended] = receiver.posts;
  expect(began?.text).toBe(
    "[warning] MeterOutboxWebhookFailed: 1 webhook events of Stripe's could not be handled",
  );
  expect(ended?.id).toBe(began?.id);
  expect(`${first.output()}${second.output()}${third.output()}${fourth.output()}`).not.toContain(secret);

  async function failWebhookEvent(): Promise<void> {
    await sql`
      insert into metering.stripe_events (event_id, event_type, livemode, payload, state)
      values ('evt_1', 'customer.created', false, '{}', 'failed')
    `.execute(db);
  }
  async function lookAgain(): Promise<void> {
    await sql`update metering.alert_watch set looked_at = '-infinity'`.execute(db);
  }
});

test("a receiver that fails gets the same post again, later, and no log line names its address", async ({
  database,
}) => {
  const { db } = database.as("worker");
  const receiver = await receive(500);
  await sql`
    update metering.delivery_control
    set paused_until = now() + interval '1 hour', reason = 'x', paused_at = now() - interval '10 minutes'
    where scope = 'account'
  `.execute(db);
  const { log, events } = createRecordingLog();
  const registry = new Registry();
  const watch = watchAlerts(
    { db, log, registry, billableStatuses: billableByDefault },
    { url: receiver.url, everyMs: 20 },
  );
  await until(() => events.some(({ event }) => event === "alert_post_failed"), { what: "a failure" });
  await until(async () => (await nextAttemptInSeconds()) > 20, { what: "it to be put off" });
  expect(receiver.posts).toHaveLength(1);

  receiver.answer = 200;
  await sql`update metering.alerts set next_attempt_at = now()`.execute(db);
  await until(async () => (await countTold()) === 1, { what: "the post to be taken" });
  await watch.stop();

  expect(receiver.posts.map(({ id, text: shown }) => [id, shown.replace(/\d+s$/, "")])).toEqual([
    [receiver.posts[0]?.id, expect.stringMatching(/MeterOutboxPausedByBreaker \(scope=account\): .* 10m $/)],
    [receiver.posts[0]?.id, expect.anything()],
  ]);
  expect(events).toMatchObject([
    { event: "alert_began", alert: "MeterOutboxPausedByBreaker", subject: "scope=account" },
    { event: "alert_post_failed", reason: "HTTP 500", attempts: 1, retry_in_seconds: 30 },
  ]);
  expect(JSON.stringify(events)).not.toContain(secret);
  const counted = await registry.getSingleMetric("meter_outbox_alert_posts_total")?.get();
  expect(counted?.values.map(({ labels, value }) => [labels["result"], value])).toEqual([
    ["failed", 1],
    ["taken", 1],
  ]);

  async function nextAttemptInSeconds(): Promise<number> {
    const { rows } = await sql<{ seconds: number }>`
      select extract(epoch from next_attempt_at - now())::float8 as seconds
      from metering.alerts where isfinite(next_attempt_at)
    `.execute(db);
    return rows[0]?.seconds ?? 0;
  }
  async function countTold(): Promise<number> {
    const { rows } = await sql`select from metering.alerts where began_told_at is not null`.execute(db);
    return rows.length;
  }
});

test("a condition that cannot be read is told of in the log and counted", async ({ database }) => {
  const { db } = database.as("worker");
  const receiver = await receive();
  const { log, events } = createRecordingLog();
  const registry = new Registry();
  const release = await holdOpen(database.pool, "lock table metering.delivery_control");
  const watch = watchAlerts(
    { db, log, registry, billableStatuses: billableByDefault },
    { url: receiver.url, everyMs: 20 },
  );
  const failures = () => events.filter(({ event }) => event === "alert_read_failed");
  const failing = until(() => failures().length > 0, { what: "the read to fail" });
  await Promise.allSettled([failing]);
  await release();
  await watch.stop();
  await failing;

  expect(failures()[0]).toMatchObject({ read: "pauses", error: { code: "57014" } });
  const counted = await registry.getSingleMetric("meter_outbox_database_read_failures_total")?.get();
  expect(counted?.values).toMatchObject([{ labels: { read: "pauses" }, value: failures().length }]);
});

test("an API tells that no worker has been seen for five minutes", async ({ database: { db }, launch }) => {
  const receiver = await receive();
  await sql`
    insert into metering.processes (id, kind, started_at, seen_at)
    values (gen_random_uuid(), 'worker', now() - interval '1 day', now() - interval '301 seconds')
  `.execute(db);
  const api = launch("api", { ALERT_WEBHOOK_URL: receiver.url });
  await until(() => receiver.posts.length > 0, { what: "a post", standing: api.output });

  expect(receiver.posts).toMatchObject([{ alert: "MeterOutboxProcessUnseen", state: "began" }]);
  expect(receiver.posts[0]?.text).toMatch(
    /^\[critical\] MeterOutboxProcessUnseen \(kind=worker\): No worker has been seen for 5m/,
  );
  expect(api.output()).not.toContain(secret);
});

/** A receiver of posts at an address that is a secret, as Slack's are. */
async function receive(answer = 200): Promise<Receiver> {
  const receiver: Receiver = { url: "", posts: [], answer };
  const server = createServer((request, response) => {
    const take = (body: string) => {
      receiver.posts.push(postSchema.parse(JSON.parse(body)));
      return response.writeHead(receiver.answer).end("ok");
    };
    void text(request).then(take);
  });
  receiver.url = `http://127.0.0.1:${await listen(server)}/services/${secret}`;
  onTestFinished(async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  });
  return receiver;
}
