import { sql } from "kysely";
import { expect } from "vitest";
import { webhookSecrets } from "../../testing/fixtures/api-fixture.ts";
import { endStripeEventLeases, readInbox, readSubscriptionOf } from "../../testing/rows/inbox.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
import { stripeSideTest as test } from "../../testing/fixtures/stripe-side-fixture.ts";
import { until } from "../../testing/processes/until.ts";

const organizationCount = 30;
const setUpTypes = new Set<unknown>(["billing.meter.created", "product.created", "price.created"]);

test("a storm of events while the worker dies and the API restarts loses none", async ({
  database: { db },
  boss,
  account: { simulator },
  stripeSide,
  launch,
}) => {
  const environment = { STRIPE_WEBHOOK_SECRET: webhookSecrets.join(",") };
  const api = launch("api", environment);
  const worker = launch("worker");
  await Promise.all([api.started(), worker.started()]);
  const [endpoint] = simulator.webhookEndpoints();
  simulator.changeWebhookEndpoint(endpoint?.id ?? "", { url: `${api.url()}/webhooks/stripe` });
  // With more attempts than usual: Stripe tries for days, and the API may be away for many seconds on a busy machine.
  simulator.setSettings({ webhook_copies: 2, webhook_reorder_ms: 20, webhook_attempts_max: 12 });

  const organizationIds: string[] = [];
  for (let n = 0; n < organizationCount; n += 1) organizationIds.push(await addOrganization(db));
  const linked = await Promise.all(
    organizationIds.map((organizationId) => stripeSide.checkOut({ organizationId })),
  );
  const isUnderWay = async () => (await readInbox(db)).some(({ state }) => state === "handled");
  await until(isUnderWay, { what: "the storm to be under way" });
  await Promise.all([worker.stop("SIGKILL"), api.stop("SIGTERM")]);
  const successor = launch("api", environment);
  await successor.started();
  simulator.changeWebhookEndpoint(endpoint?.id ?? "", { url: `${successor.url()}/webhooks/stripe` });
  await endStripeEventLeases(db, boss);
  await stripeSide.startWorker();
  await stripeSide.untilHandled();

  const inbox = await readInbox(db);
  // Meters, products and prices existed before the API asked for events.
  const sent = simulator.events().filter(({ type }) => !setUpTypes.has(type));
  expect(inbox.map(({ id }) => id).toSorted()).toEqual(sent.map(({ id }) => id).toSorted());
  expect(new Set(inbox.map(({ state }) => state))).toEqual(new Set(["handled"]));
  const found = await Promise.all(organizationIds.map((id) => readSubscriptionOf(db, id)));
  expect(found.map((row) => row?.subscription)).toEqual(linked.map(({ subscription }) => subscription));
});

test("jobs that pg-boss lost are made again for the events that wait", async ({
  database: { db },
  boss,
  account: { simulator },
  stripeSide,
}) => {
  const organizationId = await addOrganization(db);
  await stripeSide.checkOut({ organizationId });
  await simulator.deliveriesSettled();
  await boss.deleteAllJobs("apply-stripe-event");
  await sql`update metering.stripe_events set received_at = received_at - interval '2 minutes'`.execute(db);

  await stripeSide.startWorker();
  await stripeSide.untilHandled();

  expect(await readSubscriptionOf(db, organizationId)).toMatchObject({ status: "active" });
});
