import type { Db } from "../../database/db.ts";
import { checkBillable } from "./check-billable.ts";
import { checkCluster } from "./check-cluster.ts";
import { checkLinkedCustomers } from "./check-customers.ts";
import { checkDelivery } from "./check-delivery.ts";
import { checkPartitions } from "./check-partitions.ts";
import { checkPeriods } from "./check-periods.ts";
import { checkProcesses, checkRights } from "./check-processes.ts";
import { checkReconciliation } from "./check-reconciliation.ts";
import { checkSchema } from "./check-schema.ts";
import { checkServer } from "./check-server.ts";
import { checkSharedCustomers } from "./check-shared-customers.ts";
import { checkTriggers } from "./check-triggers.ts";
import { type Finding, findInDatabase, uncheckedForNode } from "./finding.ts";

/** Whether the server takes writes and keeps them, and whether the schema is the one that this program works with. */
export async function examineGround(db: Db): Promise<{ findings: Finding[]; isSchemaRight: boolean }> {
  const server = await checkServer(db);
  const schema = await findInDatabase("schema", () => checkSchema(db));
  return { findings: [...server, ...schema], isSchemaRight: schema.every(({ state }) => state === "ok") };
}

type Examined = {
  db: Db;
  billableStatuses: readonly string[];
  now: Date;
  backend: "postgres" | "citus";
  /** Who looks, with a role that has to do what the API's does: "the command line". */
  by: string;
};

type Look = () => Promise<Finding[]>;

/**
 * What there is to look at in the tables beside the alerts, once the schema is right. Nothing is changed. The nodes of a
 * cluster come first: what needs all of them is not looked at where one is away, which takes long where it is silent.
 */
export function tableChecks({ db, billableStatuses, backend, now, by }: Examined): readonly Look[] {
  let isNodeAway = false;
  const onAllNodes = (check: string, look: () => Promise<Finding | Finding[]>) => async () =>
    isNodeAway ? [uncheckedForNode(check)] : findInDatabase(check, look);
  return [
    () =>
      findInDatabase("nodes", async () => {
        const cluster = await checkCluster(db, backend);
        isNodeAway = cluster.isNodeAway;
        return cluster.findings;
      }),
    () => findInDatabase("rights", () => checkRights(db, by)),
    () => findInDatabase("triggers", () => checkTriggers(db)),
    () => findInDatabase("processes", () => checkProcesses(db)),
    onAllNodes("partitions", () => checkPartitions(db, now)),
    onAllNodes("delivery", () => checkDelivery(db)),
    onAllNodes("shared customers", () => checkSharedCustomers(db)),
    onAllNodes("linked customers", () => checkLinkedCustomers(db)),
    onAllNodes("billable", () => checkBillable(db, billableStatuses)),
    onAllNodes("Stripe's sums", () => checkReconciliation(db)),
    onAllNodes("billing periods", () => checkPeriods(db)),
  ];
}
