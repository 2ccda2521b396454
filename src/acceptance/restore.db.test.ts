import { afterAll, expect } from "vitest";
import { readTotal } from "../testing/rows/bill.ts";
import { documentTest as test } from "./documents/document-fixture.ts";
import { type Fence, readFences } from "./documents/markdown.ts";
import { makeProgramFolder } from "./documents/program-folder.ts";
import { readDocument } from "./documents/read-document.ts";
import { runBlocks } from "./documents/reader.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import { linkCustomer } from "../testing/rows/organizations.ts";
import { until } from "../testing/processes/until.ts";
import { patienceMs } from "../testing/processes/patience.ts";

type Member = { id: string; key: string; customer: string };

const program = await makeProgramFolder();
afterAll(program.remove);

test(
  "a database restored from an older backup bills nothing twice when docs/operation.md is followed",
  { timeout: patienceMs(120_000) },
  async ({ api, road, account, layDesk, openApi, openWorker, database: { db, url } }) => {
    // At the backup: ten readings delivered, five sealed and not delivered, seven not even sealed.
    const [billed, unbilled] = [await join(), await join()];
    const bothPost = async (from: number, count: number) =>
      void (await Promise.all([billed, unbilled].map((member) => post(member, from, count))));
    const worker = await road.startWorker();
    await bothPost(0, 10);
    await road.untilBilled();
    // A running worker learns of a pause within a second; one that starts afterwards knows it from the first.
    await worker.stop(5_000);
    await operate("delivery/pause", { reason: "the backup is to have something undelivered" });
    await bothPost(10, 5);
    const sealingWorker = await road.startWorker();
    await operate("outbox/seal");
    await until(async () => (await readUnsealed()).length === 0, { what: "the seal" });
    await sealingWorker.stop(5_000);
    await bothPost(15, 7);
    await operate("delivery/resume");

    // The lost database's work afterwards: one customer's usage was delivered, with three readings more.
    const pending = await db
      .selectFrom("meter_events")
      .select(["id", "event_at"])
      .where("organization_id", "=", billed.id)
      .where("state", "=", "pending")
      .executeTakeFirstOrThrow();
    await send({ identifier: pending.id, value: 5, at: pending.event_at });
    const [unsealed] = (await readUnsealed()).filter((entry) => entry.organization_id === billed.id);
    await send({ identifier: "sealed-after-the-backup", value: 10, at: unsealed?.occurred_at ?? new Date() });

    const desk = await layDesk({ program, databaseUrl: url });
    // The looks that an hour lies between are a second apart.
    const soon = { RECONCILE_SETTLE_SECONDS: "0", RECONCILE_ABSENCE_SECONDS: "1" };
    const quick = { ...desk, environment: { ...desk.environment, ...soon } };
    const [restore, compare, resolve] = await readProcedure();
    await runBlocks(restore, desk);
    await openWorker(desk);
    const compared = await runBlocks(compare, quick);
    const sentMeanwhile = [await readTotal(account, billed), await readTotal(account, unbilled)];
    await openApi(desk);
    await runBlocks(resolve, desk);

    // Of each two events: one was sealed before the backup, and one by the command.
    expect(compared.at(-1)?.out).toMatch(/^delivered: 2 events, 12 .*\nsuperseded: 2 events, 12 /);
    expect(sentMeanwhile).toEqual([25, 10]);
    await road.untilBilled();
    expect(await readTotal(account, billed)).toBe(25);
    expect(await readTotal(account, unbilled)).toBe(22);
    expect(account.simulator.state()).toMatchObject({ double_counted: 0 });
    expect(await findViolations(db)).toEqual([]);

    async function join(): Promise<Member> {
      const { id, key } = await api.join();
      const { id: customer } = await account.stripe.customers.create();
      await linkCustomer(db, id, { customer });
      await api.ask("PUT", "/v1/sensors/freezer-1", { token: key });
      return { id, key, customer };
    }
    /** Posts readings of consecutive seconds, one request. */
    async function post({ key }: Member, from: number, count: number): Promise<void> {
      const readings = Array.from({ length: count }, (_, index) => ({
        sensor_id: "freezer-1",
        recorded_at: new Date(Date.now() - 86_400_000 + (from + index) * 1_000).toISOString(),
        temperature: 4,
      }));
      const answer = await api.ask("POST", "/v1/readings", { token: key, json: readings });
      expect(answer.body).toMatchObject({ accepted: count });
    }
    async function operate(path: string, json: unknown = {}): Promise<void> {
      const answer = await api.ask("POST", `/v1/${path}`, { token: api.adminToken, json });
      expect(answer.status).toBeLessThan(300);
    }
    async function readUnsealed() {
      return db.selectFrom("meter_outbox").selectAll().where("meter_event_id", "is", null).execute();
    }
    async function send(event: { identifier: string; value: number; at: Date }): Promise<void> {
      await account.stripe.billing.meterEvents.create({
        event_name: "temperature_readings",
        payload: { stripe_customer_id: billed.customer, value: String(event.value) },
        identifier: event.identifier,
        timestamp: Math.floor(event.at.getTime() / 1_000),
      });
    }
  },
);

/** The commands until a worker is started, until an API is, and afterwards. */
async function readProcedure(): Promise<[Fence[], Fence[], Fence[]]> {
  const text = await readDocument("docs/operation.md");
  const fences = readFences(text.slice(text.indexOf("\n## Restoring an older database")));
  const starts = fences.flatMap(({ notes }, index) =>
    notes["not-run"] === "runs until it is stopped" ? [index] : [],
  );
  const [worker = 0, api = 0] = starts;
  const between = (from: number, to?: number) =>
    fences.slice(from, to).filter(({ notes }) => notes["run-by"] === "src/acceptance/restore.db.test.ts");
  return [between(0, worker), between(worker, api), between(api)];
}
