import { randomBytes } from "node:crypto";
import { afterAll, expect, inject, onTestFinished } from "vitest";
import { openDatabase } from "./database/pool.ts";
import { silentLog } from "./log.ts";
import { readTotal } from "./testing/bill.ts";
import { type Customer, signUp } from "./testing/customer.ts";
import { documentTest as test } from "./testing/documents/document-test.ts";
import { type Fence, readFences } from "./testing/documents/markdown.ts";
import { makeProgramFolder } from "./testing/documents/program-folder.ts";
import { readDocument } from "./testing/documents/read-document.ts";
import { runBlocks } from "./testing/documents/reader.ts";
import { httpCall } from "./testing/http-call.ts";
import { findViolations } from "./testing/invariants.ts";
import type { ServiceProcess } from "./testing/service-process.ts";
import { adminToken } from "./testing/service-test.ts";
import { createDatabase, dropDatabase, urlOfDatabase } from "./testing/test-server.ts";
import { until } from "./testing/until.ts";
import { untilBilled } from "./testing/until-billed.ts";

const program = await makeProgramFolder();
afterAll(program.remove);

test(
  "a database restored from an older backup bills nothing twice when docs/operation.md is followed",
  { timeout: 120_000 },
  async ({ launch, account, layDesk, openApi, openWorker }) => {
    const server = inject("testServer");
    const lost = await makeDatabase(server.template);
    const environment = { DATABASE_URL: lost.url, NODE_COMPILE_CACHE: program.compiled };

    // Until the backup: ten readings delivered, five sealed and not delivered, seven not even sealed.
    const [api, worker] = [launch("api", environment), launch("worker", environment)];
    await Promise.all([api.started(), worker.started()]);
    const [delivered, undelivered] = [await join(api), await join(api)];
    const bothPost = async (at: ServiceProcess, from: number, count: number) => {
      await Promise.all([delivered, undelivered].map((one) => post(at, one, from, count)));
    };
    await bothPost(api, 0, 10);
    await untilNothingWaits(api);
    await operate(api, "delivery/pause", { reason: "a backup is to have something undelivered" });
    await bothPost(api, 10, 5);
    await operate(api, "outbox/seal");
    await until(async () => (await readOutbox(api)).unsealed.entries === 0, { what: "the seal" });
    await bothPost(api, 15, 7);
    await Promise.all([api.stop(), worker.stop()]);
    const restored = await makeDatabase(lost.name);

    // After the backup: one customer's usage is delivered and grows; Stripe fails for the other's until all is lost.
    account.simulator.addFault({ kind: "status", status: 503, customer: undelivered.customer });
    const [laterApi, laterWorker] = [launch("api", environment), launch("worker", environment)];
    await Promise.all([laterApi.started(), laterWorker.started()]);
    await operate(laterApi, "delivery/resume");
    await post(laterApi, delivered, 22, 3);
    await until(async () => (await readTotal(account, delivered)) === 25, {
      what: "the usage that will be lost",
    });
    await Promise.all([laterApi.kill(), laterWorker.kill()]);
    account.simulator.clearFaults();

    const desk = await layDesk({ program, databaseUrl: restored.url });
    const [restore, compare, resolve] = await readProcedure();
    await runBlocks(restore, desk);
    await openWorker(desk);
    const compared = await runBlocks(compare, desk);
    await openApi(desk);
    await runBlocks(resolve, desk);

    const findings =
      compared
        .at(-1)
        ?.out.trim()
        .split("\n")
        .map((line) => line.split(" ")) ?? [];
    expect(new Set(findings.map(([finding, , customer]) => `${finding} ${customer}`))).toEqual(
      new Set([`delivered ${delivered.customer}`, `not_delivered ${undelivered.customer}`]),
    );
    const { db, close } = openDatabase(
      { connectionString: restored.url, applicationName: "meter-outbox test", connectionsMax: 2 },
      silentLog,
    );
    onTestFinished(close);
    await untilBilled(db);
    expect(await readTotal(account, delivered)).toBe(25);
    expect(await readTotal(account, undelivered)).toBe(22);
    expect(account.simulator.state()).toMatchObject({ double_counted: 0 });
    expect(await findViolations(db)).toEqual([]);

    async function join(at: ServiceProcess): Promise<Customer> {
      const { id } = await account.stripe.customers.create();
      return signUp(at.url(), { adminToken, customer: id });
    }
  },
);

/** A copy of another database that nobody is connected to, as a backup and its restore make one. */
async function makeDatabase(of: string): Promise<{ name: string; url: string }> {
  const server = inject("testServer");
  const name = `${server.prefix}${randomBytes(6).toString("hex")}`;
  await createDatabase(server, name, of);
  onTestFinished(() => dropDatabase(server, name));
  return { name, url: urlOfDatabase(server.url, name) };
}

/** The commands until a worker is started, until an API is, and afterwards. */
async function readProcedure(): Promise<[Fence[], Fence[], Fence[]]> {
  const text = await readDocument("docs/operation.md");
  const fences = readFences(text.slice(text.indexOf("\n## Restoring an older database")));
  const starts = fences.flatMap(({ notes }, index) =>
    notes["not-run"] === "runs until it is stopped" ? [index] : [],
  );
  const [worker = 0, api = 0] = starts;
  const between = (from: number, to?: number) =>
    fences.slice(from, to).filter(({ notes }) => notes["run-by"] === "src/restore.db.test.ts");
  return [between(0, worker), between(worker, api), between(api)];
}

/** Posts readings of consecutive minutes, one request. */
async function post(
  at: ServiceProcess,
  { key, sensors }: Customer,
  from: number,
  count: number,
): Promise<void> {
  const [sensor = ""] = sensors;
  const readings = Array.from({ length: count }, (_, index) => ({
    sensor_id: sensor,
    recorded_at: new Date(Date.now() - 86_400_000 + (from + index) * 1_000).toISOString(),
    temperature: 4,
  }));
  const answer = await httpCall("POST", `${at.url()}/v1/readings`, { token: key, json: readings });
  expect(answer.body).toMatchObject({ accepted: count });
}

async function operate(at: ServiceProcess, path: string, json: unknown = {}): Promise<void> {
  await httpCall("POST", `${at.url()}/v1/${path}`, { token: adminToken, json });
}

type Outbox = { unsealed: { entries: number }; meter_events: { pending: { count: number } } };

async function readOutbox(at: ServiceProcess): Promise<Outbox> {
  const { body } = await httpCall("GET", `${at.url()}/v1/outbox`, { token: adminToken });
  return body as Outbox;
}

async function untilNothingWaits(at: ServiceProcess): Promise<void> {
  await until(
    async () => {
      const { unsealed, meter_events: events } = await readOutbox(at);
      return unsealed.entries + events.pending.count === 0;
    },
    { what: "everything to be delivered" },
  );
}
