import type Stripe from "stripe";
import type { CliConfig } from "../../config.ts";
import type { Db } from "../../database/db.ts";
import { modeOfKey } from "../../stripe/key-mode.ts";
import { wantedMeters } from "../wanted-meters.ts";
import { checkBacklog } from "./check-backlog.ts";
import { checkBillable } from "./check-billable.ts";
import { checkClock } from "./check-clock.ts";
import { checkLinkedCustomers } from "./check-customers.ts";
import { checkCluster } from "./check-cluster.ts";
import { checkDelivery } from "./check-delivery.ts";
import { checkInvoices } from "./check-invoices.ts";
import { checkKeyMode } from "./check-key-mode.ts";
import { checkMeters } from "./check-meters.ts";
import { checkOrganizationsNode } from "./check-organizations-node.ts";
import { checkPartitions } from "./check-partitions.ts";
import { checkPeriods } from "./check-periods.ts";
import { checkProcesses, checkRights } from "./check-processes.ts";
import { checkReconciliation } from "./check-reconciliation.ts";
import { checkSchema } from "./check-schema.ts";
import { checkServer } from "./check-server.ts";
import { checkSharedCustomers } from "./check-shared-customers.ts";
import { checkUndelivered } from "./check-undelivered.ts";
import { checkWebhookEndpoint } from "./check-webhook-endpoint.ts";
import { type Finding, findAtStripe, findInDatabase, unchecked } from "./finding.ts";
import { reachDatabase } from "./reach-database.ts";
import { reachStripe } from "./reach-stripe.ts";

export type Patient = {
  config: CliConfig;
  db: Db;
  /** Undefined without a key. */
  stripe: Stripe | undefined;
  now: () => Date;
  /** The organization whose node is asked for. */
  organization?: string | undefined;
};

/** Looks at everything that has to be right for usage to be billed. Changes nothing. */
export async function examine(patient: Patient): Promise<Finding[]> {
  const { config, db, now } = patient;
  const database = await reachDatabase({ db, now });
  const isReached = database.finding.state === "ok";
  const server = isReached ? await checkServer(db) : [];
  const schema = isReached ? await findInDatabase("schema", () => checkSchema(db)) : [];
  const isSchemaRight = schema.length > 0 && schema.every(({ state }) => state === "ok");
  const stripe = await reachStripe(patient, { apiBase: config.STRIPE_API_BASE });
  return [
    database.finding,
    ...server,
    ...schema,
    ...(isSchemaRight
      ? await examineTables(patient)
      : [unchecked("tables", "the schema has to be right first")]),
    stripe.finding,
    checkClock({ databaseMs: database.aheadMs, stripeMs: stripe.aheadMs }),
    ...(stripe.finding.state === "ok" ? await examineAccount(patient, { isSchemaRight }) : []),
  ];
}

async function examineTables({ config, db, now, organization }: Patient): Promise<Finding[]> {
  return [
    ...(await findInDatabase("nodes", () => checkCluster(db, config.DATABASE_BACKEND))),
    ...(organization === undefined ? [] : [await checkOrganizationsNode(db, organization)]),
    ...(await findInDatabase("rights", () => checkRights(db))),
    ...(await findInDatabase("processes", () => checkProcesses(db))),
    ...(await findInDatabase("partitions", () => checkPartitions(db, now()))),
    ...(await findInDatabase("delivery", () => checkDelivery(db))),
    ...(await findInDatabase("shared customers", () => checkSharedCustomers(db))),
    ...(await findInDatabase("linked customers", () => checkLinkedCustomers(db))),
    ...(await findInDatabase("billable", () => checkBillable(db, config.BILLABLE_STATUSES))),
    ...(await findInDatabase("Stripe's sums", () => checkReconciliation(db))),
    ...(await findInDatabase("billing periods", () => checkPeriods(db))),
    ...(await findInDatabase("alerts", () => checkBacklog(db))),
  ];
}

async function examineAccount(
  { config, db, stripe, now }: Patient,
  { isSchemaRight }: { isSchemaRight: boolean },
): Promise<Finding[]> {
  if (stripe === undefined) return [];
  const mode = modeOfKey(config.STRIPE_SECRET_KEY);
  return [
    isSchemaRight
      ? await findAtStripe("key mode", () => checkKeyMode({ db, stripe }, mode))
      : unchecked("key mode", "the schema has to be right first"),
    await findAtStripe("meters", () => checkMeters(stripe, wantedMeters(config))),
    await findAtStripe("invoices", () => checkInvoices(stripe, config)),
    await findAtStripe("webhook endpoint", () => checkWebhookEndpoint(stripe)),
    isSchemaRight
      ? await findAtStripe("webhook deliveries", () => checkUndelivered({ db, stripe }, now()))
      : unchecked("webhook deliveries", "the schema has to be right first"),
  ];
}
