import type { LatestReading } from "../../intake/sensor-readings.ts";
import type { Sensor } from "../../intake/sensors.ts";
import type { Organization } from "../../organizations/organizations.ts";
import { type Column, DataTable, None } from "../parts/data-table.tsx";
import { NextPage, withQuery } from "../parts/next-page.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { When } from "../parts/when.tsx";
import { organizationsPath } from "./organizations-page.tsx";

export type ListedSensor = Sensor & { latest: LatestReading | undefined };

type Sensors = { organizationId: string; sensors: readonly ListedSensor[] };

/** Sensors, each with its last reading and the way to what it recorded. */
export function SensorTable({ organizationId, sensors }: Sensors) {
  return <DataTable caption="Its sensors" hidesCaption columns={columnsOf(organizationId)} rows={sensors} />;
}

function columnsOf(organizationId: string): Column<ListedSensor>[] {
  const path = `${organizationsPath}/${organizationId}/sensor`;
  return [
    { head: "Sensor", kind: "name", cell: ({ id }) => <a href={withQuery(path, { id })}>{id}</a> },
    { head: "Name", cell: ({ name }) => (name === "" ? <None /> : name) },
    {
      head: "State",
      cell: ({ deactivatedAt }) => <StateBadge state={deactivatedAt === null ? "active" : "deactivated"} />,
    },
    { head: "Recorded last", cell: ({ latest }) => <When at={latest?.recordedAt ?? null} /> },
    {
      head: "Temperature",
      kind: "figure",
      cell: ({ latest }) => (latest === undefined ? <None /> : `${latest.temperature} °C`),
    },
  ];
}

type SensorsPageProps = {
  organization: Organization;
  sensors: readonly ListedSensor[];
  next: string | null;
};

export function SensorsPage({ organization, sensors, next }: SensorsPageProps) {
  const path = `${organizationsPath}/${organization.id}`;
  return (
    <>
      <h1>
        Sensors of <a href={path}>{organization.name}</a>
      </h1>
      {sensors.length === 0 ? (
        <p class="empty">No sensor. A gateway registers its sensors by POST /v1/sensors.</p>
      ) : (
        <SensorTable organizationId={organization.id} sensors={sensors} />
      )}
      <NextPage path={`${path}/sensors`} query={{}} cursor={next} />
    </>
  );
}
