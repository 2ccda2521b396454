import { sql } from "kysely";
import { expect, inject } from "vitest";
import { checkBacklog } from "../../cli/doctor/check-backlog.ts";
import { tableChecks } from "../../monitoring/checks/examine-database.ts";
import { type Finding, findInDatabase } from "../../monitoring/checks/finding.ts";
import { listNodes } from "../../database/cluster.ts";
import type { Db } from "../../database/db.ts";
import { createShards } from "../../database/shards.ts";
import { askThrough } from "../../database/shards-of.ts";
import { countChangedSensors, countSensors } from "../../intake/count-sensors.ts";
import { findCitusOfMachine } from "../../testing/postgres/machine-cluster.ts";
import { until } from "../../testing/processes/until.ts";
import { postUntilStopped } from "../crash/gateway.ts";
import { intakeTest as test, type Sender } from "./intake-site.ts";
import { addNode, moveTo } from "./move-shards.ts";

/** Nodes can be killed here where they are those of the machine's own Postgres. */
const binaries = await findCitusOfMachine();
const isCluster = inject("testServer").cluster !== undefined;

const senderCount = 12;
const postEveryMs = 50;
const patienceMs = 35_000;
const codes = ["database_unavailable", "outcome_unknown", "overloaded"];

test.runIf(isCluster && binaries !== undefined)(
  "a killed node holds up its own organizations alone; neither its death, an added node nor moved shards lose or double a reading",
  { timeout: 600_000 },
  async ({ open }) => {
    if (binaries === undefined) throw new Error("the machine has no Citus");
    const { first, spare, api, db, senders, ends } = await open({
      binaries,
      senders: senderCount,
      patienceMs,
    });
    const places = await createShards(askThrough(db)).find(senders.map((sender) => sender.organizationId));
    const isOnFirst = ({ organizationId }: Sender) =>
      places.get(organizationId)?.node === `${first.host}:${first.port}`;
    const held = senders.filter(isOnFirst);
    const others = senders.filter((sender) => !isOnFirst(sender));

    const loading = new AbortController();
    const load = Promise.all(
      senders.map(({ gateway }) =>
        postUntilStopped([gateway], { apiUrl: api.url(), everyMs: postEveryMs, signal: loading.signal }),
      ),
    );
    // A gateway with any other answer ends the load, and the wait.
    const eachAnswered = (some: Sender[], status: number) =>
      Promise.race([load, Promise.all(some.map(({ untilAnswered }) => untilAnswered(status)))]);
    try {
      await eachAnswered(senders, 200);
      await first.halt("immediate");
      await eachAnswered(held, 503);
      await eachAnswered(others, 200);
      const found = await examine(db);
      expect(found).toContainEqual(
        expect.objectContaining({ check: "nodes", detail: `not answering: ${first.host}:${first.port}` }),
      );
      expect(found).toContainEqual({
        check: "billing periods",
        state: "unchecked",
        detail: 'a node does not answer: "nodes" says more',
      });
      expect(found).toContainEqual(expect.objectContaining({ check: "alerts", state: "unchecked" }));
      const counting = { billableStatuses: ["active"] };
      const leftOut = { faults: expect.arrayContaining([expect.objectContaining({ code: "08006" })]) };
      expect(await countChangedSensors(db, { ...counting, quietSeconds: 0 })).toMatchObject({
        organizations: others.length,
        ...leftOut,
      });
      expect(await countSensors(db, counting)).toMatchObject(leftOut);
      await first.resume();
      await eachAnswered(senders, 200);
      expect(await listCounted(db)).toEqual(idsOf(others));
      // Until the node is asked again, it counts as away.
      await until(async () => (await countSensors(db, counting)).faults.length === 0, {
        what: "all sensors to be counted",
      });
      expect(await listCounted(db)).toEqual(idsOf(senders));

      await addNode(db, spare);
      await moveTo(db, spare, held[0]?.organizationId ?? "");
      await eachAnswered(senders, 200);
    } finally {
      loading.abort();
      await load;
    }
    await until(
      async () =>
        !(await Promise.all(senders.map(({ gateway }) => gateway.finish(api.url())))).includes(false),
      { what: "every gateway to be answered" },
    );

    expect(held.length * others.length).toBeGreaterThan(0);
    expect((await listNodes(db)).map(({ shards }) => shards > 0)).toEqual([false, true, true, true]);
    const ways = new Set(ends.map(({ status, code }) => (status === 200 ? "stored" : (code ?? "no answer"))));
    expect([...ways].filter((way) => way !== "stored" && !codes.includes(way))).toEqual([]);
    for (const { organizationId, gateway } of senders) {
      const told = gateway.acknowledged().toSorted();
      expect(await readStored(db, organizationId)).toEqual({ moments: told, billed: told.length });
    }
  },
);

function idsOf(senders: readonly Sender[]): string[] {
  return senders.map(({ organizationId }) => organizationId).toSorted();
}

/** The organizations that have a count of one sensor, and an entry that says so. */
async function listCounted(db: Db): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select distinct c.organization_id as id
    from metering.sensor_counts c
    join metering.meter_outbox e on e.organization_id = c.organization_id and e.occurred_at = c.counted_at
    where c.active_sensors = 1 and e.meter = 'active_sensors' and e.quantity = 1
  `.execute(db);
  return rows.map(({ id }) => id).toSorted();
}

/** What doctor finds in the tables. */
async function examine(db: Db): Promise<Finding[]> {
  const by = "the command line";
  const looks = tableChecks({ db, billableStatuses: ["active"], backend: "citus", now: new Date(), by });
  const found: Finding[] = [];
  // One after the other: the test has few connections.
  for (const look of looks) found.push(...(await look()));
  return [
    ...found,
    ...(await findInDatabase("alerts", () => checkBacklog(db, { billableStatuses: ["active"] }))),
  ];
}

/** What is stored of an organization, and how many readings its entries count. */
async function readStored(db: Db, organizationId: string): Promise<{ moments: string[]; billed: number }> {
  const { rows } = await sql<{ at: Date }>`
    select recorded_at as at from metering.readings where organization_id = ${organizationId}
  `.execute(db);
  const counted = await sql<{ billed: number }>`
    select coalesce(sum(quantity), 0)::int as billed
    from metering.meter_outbox where organization_id = ${organizationId} and meter = 'temperature_readings'
  `.execute(db);
  return { moments: rows.map(({ at }) => at.toISOString()).toSorted(), billed: counted.rows[0]?.billed ?? 0 };
}
