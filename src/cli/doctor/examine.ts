import { sql } from "kysely";
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
import { checkPermissions } from "./check-permissions.ts";
import { checkSessions } from "./check-sessions.ts";
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

const lockWaitMsMax = 2_000;

/** Looks at everything that has to be right for usage to be billed. Changes nothing. */
export async function examine(patient: Patient): Promise<Finding[]> {
  const [database, stripe] = await Promise.all([
    examineDatabase(patient),
    reachStripe(patient, { apiBase: patient.config.STRIPE_API_BASE }),
  ]);
  const { isSchemaRight } = database;
  const [tables, account] = await Promise.all([
    isSchemaRight
      ? withoutLocks(patient, examineTables)
      : [unchecked("tables", "the schema has to be right first")],
    stripe.finding.state === "ok" ? examineReached(patient, { isSchemaRight }) : [],
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
  const sessions = await findInDatabase("sessions", () => checkSessions(db));
  const { findings, isSchemaRight } = await examineGround(db);
  return { findings: [finding, ...sessions, ...findings], aheadMs, isSchemaRight };
}

/** One look after the other: one that takes long would keep the others from a connection. */
async function examineTables({ config, db, now, organization }: Patient): Promise<Finding[]> {
  const { BILLABLE_STATUSES: billableStatuses, DATABASE_BACKEND: backend } = config;
  const findings: Finding[] = [];
  const knowsNodeAway = () => findings.some(({ check, state }) => check === "nodes" && state === "problem");
  const looks = [
    ...tableChecks({ db, billableStatuses, backend, now: now(), by: "the command line" }),
    ...(organization === undefined
      ? []
      : [() => findInDatabase("node", () => checkOrganizationsNode(db, organization))]),
    () =>
      findInDatabase("alerts", () =>
        checkBacklog(db, { billableStatuses }, { knowsNodeAway: knowsNodeAway() }),
      ),
  ];
  for (const look of looks) findings.push(...(await look()));
  return findings;
}

/** Lends the patient a connection that waits for no lock: what a locked table tells is not worth half a minute each. */
async function withoutLocks<T>(patient: Patient, look: (patient: Patient) => Promise<T>): Promise<T> {
  return patient.db.connection().execute(async (db) => {
    await sql`set lock_timeout = ${sql.lit(lockWaitMsMax)}`.execute(db);
    return look({ ...patient, db });
  });
}

async function examineReached(patient: Patient, schema: { isSchemaRight: boolean }): Promise<Finding[]> {
  if (!schema.isSchemaRight) return examineAccount(patient, schema);
  return withoutLocks(patient, (own) => examineAccount(own, schema));
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
    findAtStripe("permissions", () => checkPermissions(stripe)),
    findAtStripe("invoices", () => checkInvoices(stripe, config)),
    findAtStripe("webhook endpoint", () => checkWebhookEndpoint(stripe)),
    isSchemaRight
      ? findAtStripe("webhook deliveries", () => checkUndelivered({ db, stripe }, now()))
      : unchecked("webhook deliveries", "the schema has to be right first"),
  ]);
}
