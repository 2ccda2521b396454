import { sql } from "kysely";
import { expect } from "vitest";
import { loopsTest } from "../testing/fixtures/loops-fixture.ts";
import { holdRequests } from "../testing/net/request-gate.ts";
import { until } from "../testing/processes/until.ts";
import { hourMs } from "../testing/rows/hours.ts";
import { addShipment, readDeliverJobs, readShipments } from "../testing/rows/meter-events.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { readPauses, resumeDelivery } from "./pauses.ts";

const path = "/v1/billing/meter_events";

const test = loopsTest.extend("shipments", async ({ account: { simulator }, database: { db }, boss }) => ({
  /** Writes `each` shipments, each with an event of every one of so many new customers. */
  add: async (customers: number, each: number) => {
    const organizations: string[] = [];
    for (let n = 0; n < customers; n += 1) {
      const organization = await addOrganization(db);
      simulator.addCustomers(`cus_${organization}`);
      organizations.push(organization);
    }
    for (let turn = 0; turn < each; turn += 1) await addShipment({ db, boss }, organizations);
    return organizations;
  },
  /** No job is left of any kind. */
  untilEnded: () =>
    until(async () => (await readShipments(db)).length + (await readDeliverJobs(db)).length === 0, {
      what: "all jobs to end",
    }),
}));

test("of one worker's shipments each event is sent once, and of a customer one at a time", async ({
  loops,
  shipments,
  account,
  database: { db },
}) => {
  await shipments.add(30, 4);

  loops.start(account);
  await loops.untilDelivered();

  expect(account.simulator.state()).toMatchObject({ counted: 120, double_counted: 0 });
  const attempts = await db.selectFrom("delivery_attempts").select("http_status").execute();
  expect(attempts.map(({ http_status: status }) => status)).toEqual(Array(120).fill(200));
  await shipments.untilEnded();
});

test("two workers deliver the same customers' shipments exactly", async ({ loops, shipments, account }) => {
  await shipments.add(20, 10);
  account.simulator.addFault({ kind: "stored_500", rate: 0.1, path });
  account.simulator.addFault({ kind: "accept_then_cut", rate: 0.1, path });

  loops.start(account, { concurrency: 8 });
  loops.start(account, { concurrency: 8 });
  await loops.untilDelivered();

  expect(account.simulator.state()).toMatchObject({ counted: 200, double_counted: 0 });
  await shipments.untilEnded();
});

test("a loop that waits takes a new shipment as soon as it is woken", async ({
  loops,
  shipments,
  account,
  database: { db },
}) => {
  await shipments.add(3, 1);
  const loop = loops.start(account, { idleMs: hourMs });
  await loops.untilDelivered();
  await shipments.untilEnded();

  await shipments.add(3, 1);
  const [shipment] = await readShipments(db);
  loop.wake([{ meter: "temperature_readings", shipmentId: shipment?.id }]);
  await loops.untilDelivered();

  expect(account.simulator.state()).toMatchObject({ counted: 6, double_counted: 0 });
});

test("a customer whose request hangs holds up no other, of its own shipment or of later ones", async ({
  loops,
  shipments,
  account,
  database: { db },
}) => {
  const [slow] = await shipments.add(12, 6);
  account.simulator.addFault({ kind: "never_answer", customer: `cus_${slow}`, path });

  loops.start(account, { concurrency: 2, timeoutMs: 60_000 });

  const left = async () => {
    const { rows } = await sql<{ organization: string; count: number }>`
      select organization_id as organization, count(*)::int as count
      from metering.meter_events where state = 'pending' group by 1
    `.execute(db);
    return rows;
  };
  await until(async () => (await left()).length === 1, { what: "all other customers' events" });
  expect(await left()).toEqual([{ organization: slow, count: 6 }]);
  // Those that wait for it are left to any worker.
  await until(async () => (await readDeliverJobs(db)).length === 5, { what: "reminders of the others" });
});

test("a worker that stops leaves what it has not begun to others, at once", async ({
  loops,
  shipments,
  account,
  database: { db },
}) => {
  await shipments.add(40, 1);
  const gate = await holdRequests(account.url, path);
  const first = loops.start({ ...account, url: gate.url }, { concurrency: 1, timeoutMs: 60_000 });
  await until(() => gate.held() > 0, { what: "the first request" });

  const stopped = first.stop(30_000);
  await until(async () => (await readDeliverJobs(db)).length > 30, { what: "reminders of those not begun" });
  gate.open();
  await stopped;
  loops.start(account);
  await loops.untilDelivered();

  expect(account.simulator.state()).toMatchObject({ counted: 40, double_counted: 0 });
  await shipments.untilEnded();
});

test("a pause lets go what has not begun, and its end sends it", async ({
  loops,
  shipments,
  account,
  database: { db },
}) => {
  await shipments.add(40, 1);
  account.simulator.setKey(account.secretKey, "revoked");
  loops.start(account, { concurrency: 2 });
  await until(async () => (await readPauses(db)).length > 0, { what: "the pause" });
  await until(async () => (await readShipments(db)).length === 0, { what: "the shipment to end" });
  await loops.untilSettled();

  expect(await readDeliverJobs(db)).toHaveLength(40);
  account.simulator.setKey(account.secretKey, "active");
  await resumeDelivery(db);
  await loops.untilDelivered();

  expect(account.simulator.state()).toMatchObject({ counted: 40, double_counted: 0 });
});

test("what waits while Stripe wants no requests for long is left to any worker", async ({
  loops,
  shipments,
  account,
  database: { db },
}) => {
  await shipments.add(40, 1);
  account.simulator.addFault({ kind: "status", status: 429, retry_after_seconds: 3_600, times: 1, path });

  loops.start(account, { concurrency: 1 });

  // One event or a few had begun before.
  await until(async () => (await readDeliverJobs(db)).length > 30, { what: "reminders of those not begun" });
});
