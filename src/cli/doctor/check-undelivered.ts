import { sql } from "kysely";
import type Stripe from "stripe";
import type { Db } from "../../database/db.ts";
import { isPermissionMissing } from "../../stripe/describe-stripe-error.ts";
import { listUndelivered, type UndeliveredEvents } from "../../stripe/list-undelivered.ts";
import { type Finding, ok, problem, unchecked } from "../../monitoring/checks/finding.ts";

const check = "webhook deliveries";
/** A younger event may be on its way. */
const graceMs = 60_000;

/**
 * Whether Stripe has events that it could not deliver and that the inbox lacks, as with a wrong secret. Asks for
 * the newest ones only.
 */
export async function checkUndelivered(
  { db, stripe }: { db: Db; stripe: Stripe },
  now: Date,
): Promise<Finding> {
  const undelivered = await listUnlessForbidden(stripe, new Date(now.getTime() - graceMs));
  if (undelivered === undefined) return unchecked(check, "the restricted key may not read events");
  const { events, hasMore } = undelivered;
  const stored = await readStored(
    db,
    events.map(({ id }) => id),
  );
  const missing = events.filter(({ id }) => !stored.has(id));
  const oldest = missing.at(-1);
  if (oldest === undefined) return ok(check, "Stripe has delivered every event, or the inbox has it");
  const count = hasMore ? `${missing.length} events and more` : `${missing.length} events`;
  return problem(
    check,
    `Stripe could not deliver ${count}, the oldest of ${oldest.createdAt.toISOString()} (${oldest.type})`,
    "see whether STRIPE_WEBHOOK_SECRET is the endpoint's, then `node dist/cli.js stripe replay --since` with that time",
  );
}

async function readStored(db: Db, ids: readonly string[]): Promise<Set<string>> {
  const stored = await sql<{ event_id: string }>`
    select event_id from metering.stripe_events where event_id = any(${ids}::text[])
  `.execute(db);
  return new Set(stored.rows.map((row) => row.event_id));
}

async function listUnlessForbidden(stripe: Stripe, before: Date): Promise<UndeliveredEvents | undefined> {
  try {
    return await listUndelivered(stripe, before);
  } catch (error) {
    if (isPermissionMissing(error)) return undefined;
    throw error;
  }
}
