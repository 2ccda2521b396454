import type Stripe from "stripe";
import type { CliConfig } from "../../config.ts";
import type { Db } from "../../database/db.ts";
import { examineGround, tableChecks } from "../../monitoring/checks/examine-database.ts";
import { type Finding, findAtStripe, findInDatabase, unchecked } from "../../monitoring/checks/finding.ts";
import { modeOfKey } from "../../stripe/key-mode.ts";
import { wantedMeters } from "../wanted-meters.ts";
import { checkBacklog } from "./check-backlog.ts";
import { checkClock } from "./check-clock.ts";
import { checkInvoices } from "./check-invoices.ts";
import { checkKeyMode } from "./check-key-mode.ts";
import { checkMeters } from "./check-meters.ts";
import { checkUndelivered } from "./check-undelivered.ts";
import { checkWebhookEndpoint } from "./check-webhook-endpoint.ts";
import { checkOrganizationsNode } from "./check-organizations-node.ts";
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
  const [database, stripe] = await Promise.all([
    examineDatabase(patient),
    reachStripe(patient, { apiBase: patient.config.STRIPE_API_BASE }),
  ]);
  const { isSchemaRight } = database;
  const [tables, account] = await Promise.all([
    isSchemaRight ? examineTables(patient) : [unchecked("tables", "the schema has to be right first")],
    stripe.finding.state === "ok" ? examineAccount(patient, { isSchemaRight }) : [],
  ]);
  return [
    ...database.findings,
    ...tables,
    stripe.finding,
    checkClock({ databaseMs: database.aheadMs, stripeMs: stripe.aheadMs }),
    ...account,
  ];
}

type Base = { findings: Finding[]; aheadMs: number | undefined; isSchemaRight: boolean };

/** Whether the database can be reached, and has what the other checks read. */
async function examineDatabase({ db, now }: Patient): Promise<Base> {
  const { finding, aheadMs } = await reachDatabase({ db, now });
  if (finding.state !== "ok") return { findings: [finding], aheadMs, isSchemaRight: false };
  const { findings, isSchemaRight } = await examineGround(db);
  return { findings: [finding, ...findings], aheadMs, isSchemaRight };
}

async function examineTables({ config, db, now, organization }: Patient): Promise<Finding[]> {
  const { BILLABLE_STATUSES: billableStatuses, DATABASE_BACKEND: backend } = config;
  const looks = tableChecks({ db, billableStatuses, backend, now: now(), by: "the command line" });
  const checked = await Promise.all([
    ...looks.map((look) => look()),
    ...(organization === undefined
      ? []
      : [findInDatabase("node", () => checkOrganizationsNode(db, organization))]),
    findInDatabase("alerts", () => checkBacklog(db)),
  ]);
  return checked.flat();
}

async function examineAccount(
  { config, db, stripe, now }: Patient,
  { isSchemaRight }: { isSchemaRight: boolean },
): Promise<Finding[]> {
  if (stripe === undefined) return [];
  const mode = modeOfKey(config.STRIPE_SECRET_KEY);
  return Promise.all([
    isSchemaRight
      ? findAtStripe("key mode", () => checkKeyMode({ db, stripe }, mode))
      : unchecked("key mode", "the schema has to be right first"),
    findAtStripe("meters", () => checkMeters(stripe, wantedMeters(config))),
    findAtStripe("invoices", () => checkInvoices(stripe, config)),
    findAtStripe("webhook endpoint", () => checkWebhookEndpoint(stripe)),
    isSchemaRight
      ? findAtStripe("webhook deliveries", () => checkUndelivered({ db, stripe }, now()))
      : unchecked("webhook deliveries", "the schema has to be right first"),
  ]);
}
