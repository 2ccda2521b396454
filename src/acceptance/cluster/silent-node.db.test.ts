import { expect, inject } from "vitest";
import { checkBacklog } from "../../cli/doctor/check-backlog.ts";
import { openDatabase } from "../../database/pool.ts";
import { silentLog } from "../../log.ts";
import { tableChecks } from "../../monitoring/checks/examine-database.ts";
import type { Finding } from "../../monitoring/checks/finding.ts";
import { findCitusOfMachine } from "../../testing/postgres/machine-cluster.ts";
import { ownNodesTest as test } from "./own-nodes.ts";

/** Nodes can be stopped here where they are those of the machine's own Postgres. */
const binaries = await findCitusOfMachine();
const isCluster = inject("testServer").cluster !== undefined;

test.runIf(isCluster && binaries !== undefined)(
  "doctor names a node that takes connections and answers nothing, and looks at nothing that would wait for it",
  { timeout: 120_000 },
  async ({ task, undo, startNodes }) => {
    if (binaries === undefined) throw new Error("the machine has no Citus");
    const { url, first } = await startNodes(binaries);
    const { db, close } = openDatabase(
      { connectionString: url, applicationName: task.name, connectionsMax: 1, statementTimeoutMs: 10_000 },
      silentLog,
    );
    undo(close);
    const by = "the command line";
    const looks = tableChecks({ db, billableStatuses: ["active"], backend: "citus", now: new Date(), by });

    process.kill(first.pid, "SIGSTOP");
    undo(() => Promise.resolve(void process.kill(first.pid, "SIGCONT")));
    const found: Finding[] = [];
    for (const look of looks) found.push(...(await look()));
    found.push(...(await checkBacklog(db, { billableStatuses: ["active"] }, { knowsNodeAway: true })));

    const named = `not answering: ${first.host}:${first.port}`;
    expect(found).toContainEqual(expect.objectContaining({ check: "nodes", detail: named }));
    expect(found.filter((each) => each.detail.includes("could not be looked at"))).toEqual([]);
    const detail = 'a node does not answer: "nodes" says more';
    expect(found).toContainEqual({ check: "delivery", state: "unchecked", detail });
    expect(found).toContainEqual(expect.objectContaining({ check: "triggers", state: "ok" }));
    const alerts = found.find(({ check }) => check === "alerts");
    expect(alerts?.detail).toMatch(/^a node does not answer, so these cannot be read: .*meter_events/);
  },
);
