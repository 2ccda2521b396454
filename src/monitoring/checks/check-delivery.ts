import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { type DeliveryReport, reportMeterEvents } from "../../delivery/meter-events.ts";
import { readPauses } from "../../delivery/pauses.ts";
import { readSending } from "../shadow-mode.ts";
import { type Finding, ok, problem } from "./finding.ts";

/** Whether usage flows: nothing is paused, and no meter event and no webhook event waits for an operator. */
export async function checkDelivery(db: Db): Promise<Finding[]> {
  const { states } = await reportMeterEvents(db);
  return [await checkSending(db, states), checkInDoubt(states), checkRejected(states), await checkInbox(db)];
}

async function checkSending(db: Db, { pending }: DeliveryReport["states"]): Promise<Finding> {
  const { isShadow, transports } = await readSending(db);
  if (transports.includes("none") && !isShadow) {
    const detail = `some workers send nothing on purpose, and others send (DELIVERY_TRANSPORT: ${transports.join(", ")})`;
    return problem("sending", detail, "give every worker the same DELIVERY_TRANSPORT");
  }
  const pauses = await readPauses(db);
  if (pauses.length === 0 && isShadow) {
    const detail = `nothing is sent on purpose (DELIVERY_TRANSPORT=none); meter events pending: ${pending.count}`;
    return ok("sending", detail);
  }
  if (pauses.length === 0) return ok("sending", "nothing is paused");
  const detail = pauses.map(({ scope, reason }) => `${scope} is paused: ${reason}`).join("; ");
  return problem("sending", detail, "mend the cause; `node dist/cli.js resume` ends every pause");
}

function checkInDoubt({ in_doubt: { count, quantity } }: DeliveryReport["states"]): Finding {
  if (count === 0) return ok("in doubt", "no meter event");
  return problem(
    "in doubt",
    `meter events: ${count}, quantity ${quantity}; Stripe may or may not have counted them`,
    "`node dist/cli.js events list --state in_doubt`, compare with Stripe, then POST /v1/meter-events/{id}/resolve",
  );
}

function checkRejected({ rejected: { count, quantity } }: DeliveryReport["states"]): Finding {
  if (count === 0) return ok("rejected", "no meter event");
  return problem(
    "rejected",
    `meter events: ${count}, quantity ${quantity}; Stripe refused them`,
    "`node dist/cli.js events list --state rejected`, mend the cause, then `events retry --state rejected`",
  );
}

async function checkInbox(db: Db): Promise<Finding> {
  const failed = await sql<{ count: number }>`
    select count(*)::float8 as count from metering.stripe_events where state = 'failed'
  `.execute(db);
  const count = failed.rows[0]?.count ?? 0;
  if (count === 0) return ok("webhook events", "none has failed");
  const remedy =
    "`node dist/cli.js webhooks list --state failed` says why; then `webhooks replay <event-id>`, or `webhooks dismiss <event-id> --reason …`";
  return problem("webhook events", `could not be handled: ${count}`, remedy);
}
