import { sql } from "kysely";
import type { Db, Trx } from "../database/db.ts";
import { inTransaction } from "../database/in-transaction.ts";
import { storableText } from "../database/storable.ts";

const actionNames = [
  "pause_delivery",
  "resume_delivery",
  "seal",
  "drop_partitions",
  "retry_meter_events",
  "resolve_meter_event",
  "replay_stripe_event",
  "dismiss_stripe_event",
  "create_organization",
  "update_organization",
  "link_customer",
  "unlink_customer",
  "create_api_key",
  "revoke_api_key",
  "reconcile",
] as const;
type ActionName = (typeof actionNames)[number];

/** The operator who acts. `name`: asked for at the console's sign-in; the command line takes its user's. */
export type Operator = { via: "console" | "api" | "cli"; name: string };

/** The API's callers: they have the operator's token, and no name. */
export const apiOperator: Operator = { via: "api", name: "" };

export type OperatorAction = {
  action: ActionName;
  /** Left out where it concerns the whole account. */
  organizationId?: string | undefined;
  /** The id of the thing that was changed. */
  subject?: string | undefined;
  reason?: string | undefined;
  /** How many it changed, where there is something to count. */
  affected?: number | undefined;
};

const nameCharsMax = 80;

/** Writes down an operator's action, in the transaction that did it. */
export async function recordAction(
  trx: Trx,
  { via, name }: Operator,
  { action, organizationId, subject, reason, affected }: OperatorAction,
): Promise<void> {
  await sql`
    insert into metering.operator_actions (via, operator, action, organization_id, subject, reason, affected)
    values (
      ${via}, ${storableText(name).slice(0, nameCharsMax)}, ${action}, ${organizationId ?? null}, ${subject ?? null},
      ${reason ?? null}, ${affected ?? null}
    )
  `.execute(trx);
}

/**
 * Does what an operator asked for and writes it down, both or neither. `describe` makes the row from the result;
 * undefined: nothing was done, so nothing is written.
 */
export async function actAs<T>(
  { db, operator }: { db: Db; operator: Operator },
  act: (trx: Trx) => Promise<T>,
  describe: (result: T) => OperatorAction | undefined,
): Promise<T> {
  return inTransaction(db, async (trx) => {
    const result = await act(trx);
    const action = describe(result);
    if (action !== undefined) await recordAction(trx, operator, action);
    return result;
  });
}
