import { expect, inject } from "vitest";
import { openDatabase } from "../../database/pool.ts";
import { silentLog } from "../../log.ts";
import { findInDatabase } from "../../monitoring/checks/finding.ts";
import { checkCluster } from "../../monitoring/checks/check-cluster.ts";
import { findCitusOfMachine } from "../../testing/postgres/machine-cluster.ts";
import { ownNodesTest as test } from "./own-nodes.ts";

/** Nodes can be stopped here where they are those of the machine's own Postgres. */
const binaries = await findCitusOfMachine();
const isCluster = inject("testServer").cluster !== undefined;

test.runIf(isCluster && binaries !== undefined)(
  "doctor names a node that takes connections and answers nothing",
  { timeout: 120_000 },
  async ({ task, undo, startNodes }) => {
    if (binaries === undefined) throw new Error("the machine has no Citus");
    const { url, first } = await startNodes(binaries);
    const { db, close } = openDatabase(
      { connectionString: url, applicationName: task.name, connectionsMax: 1 },
      silentLog,
    );
    undo(close);

    process.kill(first.pid, "SIGSTOP");
    undo(() => Promise.resolve(void process.kill(first.pid, "SIGCONT")));

    expect(await findInDatabase("nodes", () => checkCluster(db, "citus"))).toContainEqual(
      expect.objectContaining({ check: "nodes", detail: `not answering: ${first.host}:${first.port}` }),
    );
  },
);
