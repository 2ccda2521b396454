import type { Command } from "commander";
import { faultsMessage } from "../intake/count-by-shard.ts";
import { type CountOptions, countSensors } from "../intake/count-sensors.ts";
import { whyNotBillable } from "../billing/billable.ts";
import { findOrganization } from "../organizations/organizations.ts";
import type { CommandTools } from "./command-tools.ts";
import {
  noSuchOrganization,
  onOrganization,
  organizationHelp,
  parseOrganization,
} from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";
import type { Run } from "./run.ts";

/** Adds `count-sensors`. */
export function addCountSensorsCommand(program: Command, run: Run): void {
  program
    .command("count-sensors")
    .description(
      "count the active sensors of billable organizations now; a number that stands is not written again",
    )
    .option("--organization <organization>", organizationHelp, parseOrganization)
    .action(({ organization }: { organization?: string }) =>
      run((tools) => (organization === undefined ? count(tools) : countOne(tools, organization))),
    );
}

function countOne(tools: CommandTools, reference: string): Promise<Outcome> {
  return onOrganization(tools.db, reference, async (id) => {
    const organization = await findOrganization(tools.db, id);
    if (organization === undefined) return noSuchOrganization;
    const reason = whyNotBillable(organization, tools.config.BILLABLE_STATUSES);
    if (reason !== undefined) return { kind: "failed", message: `its sensors are not counted: ${reason}` };
    return count(tools, { organizationIds: [id] });
  });
}

async function count(
  { db, config }: CommandTools,
  which: Pick<CountOptions, "organizationIds"> = {},
): Promise<Outcome> {
  const counted = await countSensors(db, { billableStatuses: config.BILLABLE_STATUSES, ...which });
  const { organizations, sensors } = counted;
  const hour = counted.hour.toISOString();
  const text =
    organizations === 0
      ? `nothing has changed since the last count of the hour ${hour}`
      : `${sensors} active sensors of ${organizations} organizations are counted for the hour ${hour}`;
  const document = { hour, organizations, sensors };
  if (counted.faults.length > 0)
    return { kind: "alarming", document, text: `${text}; ${faultsMessage(counted)}` };
  return { kind: "done", document, text };
}
