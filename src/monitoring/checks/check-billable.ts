import type { Db } from "../../database/db.ts";
import { listUnbillable } from "../../billing/billable.ts";
import { type Finding, ok, problem } from "./finding.ts";

const check = "billable";
const namedMax = 5;

/**
 * Whether the sensors of every linked organization are counted. An organization that has left and has no sensors is no
 * problem.
 */
export async function checkBillable(db: Db, statuses: readonly string[]): Promise<Finding> {
  const unbillable = await listUnbillable(db, statuses);
  if (unbillable.length === 0) return ok(check, "every linked organization");
  const named = unbillable
    .slice(0, namedMax)
    .map(
      ({ organizationId, customer, status, activeSensors }) =>
        `organization ${organizationId} is linked to ${customer} and not billable (status ${status}, ${activeSensors} active sensors that are not counted)`,
    );
  const more = unbillable.length > namedMax ? [`and ${unbillable.length - namedMax} more`] : [];
  const detail = [...named, ...more].join("; ");
  if (unbillable.every(({ activeSensors }) => activeSensors === 0)) return ok(check, detail);
  const remedy =
    "make a subscription that runs for the customer, add its status to BILLABLE_STATUSES, or archive the organization";
  return problem(check, detail, remedy);
}
