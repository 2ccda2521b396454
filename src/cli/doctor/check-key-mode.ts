import { sql } from "kysely";
import type Stripe from "stripe";
import { answerMsMax } from "../../database/ask-node-of.ts";
import type { Db } from "../../database/db.ts";
import { limitStatement } from "../../database/limit-statement.ts";
import { readCustomerMode } from "../../stripe/customer-mode.ts";
import type { KeyMode } from "../../stripe/key-mode.ts";
import { type Finding, ok, problem } from "../../monitoring/checks/finding.ts";

/** A wrong key makes every customer wrong, so a few tell as much as all. */
const customersRead = 5;

const check = "key mode";

/** Whether the customers that are stored are of the key's mode and account. */
export async function checkKeyMode(
  { db, stripe }: { db: Db; stripe: Stripe },
  mode: KeyMode,
): Promise<Finding> {
  const customers = await findNewestCustomers(db);
  if (customers.length === 0) return ok(check, `a ${mode} key, and no customer yet`);
  const faults: string[] = [];
  for (const customer of customers) {
    const fault = faultOf(await readCustomerMode(stripe, customer), mode);
    if (fault !== undefined) faults.push(`customer ${customer} ${fault}`);
  }
  if (faults.length === 0) return ok(check, `a ${mode} key, and the newest customers are its own`);
  const remedy =
    "give every process the key of the account and mode that the customers belong to, or link others";
  return problem(check, `a ${mode} key, but ${faults.join(", ")}`, remedy);
}

function faultOf(customer: Awaited<ReturnType<typeof readCustomerMode>>, mode: KeyMode): string | undefined {
  const other = mode === "live" ? "test" : "live";
  switch (customer.kind) {
    case "found":
      return customer.mode === mode ? undefined : `is a ${other} customer`;
    case "of_the_other_mode":
      return `is a ${other} customer`;
    case "deleted":
      return "was deleted";
    case "unknown":
      return "does not exist";
  }
}

/** It waits no longer for a cluster's node that is silent than the look at the nodes does. */
async function findNewestCustomers(db: Db): Promise<string[]> {
  const newest = await db.transaction().execute(async (trx) => {
    await limitStatement(trx, Date.now() + answerMsMax);
    return sql<{ customer: string }>`
      select stripe_customer_id as customer
      from metering.subscriptions
      where stripe_customer_id is not null
      order by updated_at desc, organization_id
      limit ${customersRead}
    `.execute(trx);
  });
  return newest.rows.map(({ customer }) => customer);
}
