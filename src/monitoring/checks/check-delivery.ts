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
  const counted = await sql<{ failed: number; refused: number }>`
    select
      count(*) filter (where state = 'failed')::float8 as failed,
      count(*) filter (where state = 'refused')::float8 as refused
    from metering.stripe_events
    where state in ('failed', 'refused')
  `.execute(db);
  const { failed, refused } = counted.rows[0] ?? { failed: 0, refused: 0 };
  if (failed + refused === 0) return ok("webhook events", "none has failed, and none was refused");
  const detail = [
    ...(failed > 0 ? [`could not be handled: ${failed}`] : []),
    ...(refused > 0 ? [`of the other mode than the key: ${refused}`] : []),
  ].join("; ");
  const remedy = `\`node dist/cli.js webhooks list --state ${failed > 0 ? "failed" : "refused"}\` says why; then \`webhooks replay <event-id>\`, or \`webhooks dismiss <event-id> --reason …\``;
  return problem("webhook events", detail, remedy);
}
