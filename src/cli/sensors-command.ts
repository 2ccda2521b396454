import { type Command, Option } from "commander";
import { listSensors, type Sensor } from "../intake/sensors.ts";
import { renderSensor } from "../api/sensors/sensor-schema.ts";
import type { CommandTools } from "./command-tools.ts";
import { onOrganization, organizationHelp, parseOrganization } from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";
import { readAll } from "./paging.ts";
import type { Run } from "./run.ts";
import { textTable } from "./text-table.ts";

type SensorOptions = { active?: true; inactive?: true };

/** Adds `sensors`. */
export function addSensorsCommand(program: Command, run: Run): void {
  program
    .command("sensors")
    .description("list an organization's sensors")
    .argument("<organization>", organizationHelp, parseOrganization)
    .addOption(new Option("--active", "only those that are active").conflicts("inactive"))
    .option("--inactive", "only those that are not")
    .action((reference: string, options: SensorOptions) => run((tools) => listOf(tools, reference, options)));
}

/** The document is that of `GET /v1/sensors`, all pages in one. */
function listOf(
  { db }: CommandTools,
  reference: string,
  { active, inactive }: SensorOptions,
): Promise<Outcome> {
  return onOrganization(db, reference, async (id) => {
    const isActive = active ?? (inactive ? false : undefined);
    const sensors = await readAll((after, limit) => listSensors(db, id, { isActive, after, limit }));
    return {
      kind: "done",
      document: { data: sensors.map(renderSensor), next_cursor: null },
      text: table(sensors),
    };
  });
}

function table(sensors: readonly Sensor[]): string {
  return textTable(
    ["ID", "NAME", "REGISTERED", "DEACTIVATED"],
    sensors.map(({ id, name, registeredAt, deactivatedAt }) => [
      id,
      name,
      registeredAt.toISOString(),
      deactivatedAt?.toISOString() ?? null,
    ]),
  );
}
