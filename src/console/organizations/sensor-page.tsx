import {
  readingsMax,
  type TemperatureBucket,
  type TemperatureSpan,
  temperatureSteps,
} from "../../intake/sensor-readings.ts";
import type { Sensor } from "../../intake/sensors.ts";
import type { Organization } from "../../organizations/organizations.ts";
import type { Column } from "../parts/data-table.tsx";
import { FactList } from "../parts/fact-list.tsx";
import { Figure } from "../parts/figure.tsx";
import { inDigits } from "../parts/figures.ts";
import { withQuery } from "../parts/next-page.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { PlottedTable } from "../parts/plotted-table.tsx";
import { When } from "../parts/when.tsx";
import { organizationsPath } from "./organizations-page.tsx";

export type SensorView = {
  organization: Organization;
  sensor: Sensor;
  step: TemperatureSpan["step"];
  buckets: readonly TemperatureBucket[];
};

const spans = { day: "days of the last year", hour: "hours of the last week" };

/** What one sensor recorded, by the time at which it recorded it. */
export function SensorPage({ view: { organization, sensor, step, buckets } }: { view: SensorView }) {
  const path = `${organizationsPath}/${organization.id}`;
  const readings = buckets.reduce((sum, bucket) => sum + bucket.readings, 0);
  const facts = [
    ["Organization", <a href={path}>{organization.name}</a>],
    ["Name", sensor.name === "" ? "none" : sensor.name],
    ["State", <StateBadge state={sensor.deactivatedAt === null ? "active" : "deactivated"} />],
    ["Registered", <When at={sensor.registeredAt} />],
    ["Readings drawn", inDigits(readings)],
  ] as const;
  return (
    <>
      <h1>Sensor {sensor.id}</h1>
      <FactList facts={facts} />
      <ul class="row">
        {temperatureSteps.map((one) => (
          <li>
            <a
              href={withQuery(`${path}/sensor`, { id: sensor.id, step: one })}
              aria-current={one === step ? "true" : undefined}
            >
              {spans[one]}
            </a>
          </li>
        ))}
      </ul>
      {buckets.length === 0 ? (
        <p class="empty">It recorded nothing in the {spans[step]}.</p>
      ) : (
        <Temperatures buckets={buckets} step={step} />
      )}
    </>
  );
}

function Temperatures({ buckets, step }: Pick<SensorView, "buckets" | "step">) {
  return (
    <PlottedTable plot="lines" unit="°C" caption="Temperatures" columns={columns} rows={buckets}>
      <figcaption class="small">
        Temperature by the {step} in which it was recorded, UTC. A gap: nothing was recorded. Usage is billed
        in the hour in which readings arrive, which may be another. Of a {step} the first{" "}
        {inDigits(readingsMax)} readings are looked at.
      </figcaption>
    </PlottedTable>
  );
}

const columns: Column<TemperatureBucket>[] = [
  { head: "From", kind: "name", cell: ({ start }) => <When at={start} /> },
  ...(["highest", "mean", "lowest"] as const).map((one, index): Column<TemperatureBucket> => {
    const drawnIn = ["--rejected", "--accent", "--unsealed"][index];
    const cell = (bucket: TemperatureBucket) => (
      <Figure value={bucket[one]} shown={bucket[one] === null ? "" : `${bucket[one].toFixed(1)} °C`} />
    );
    return { head: `${one.charAt(0).toUpperCase()}${one.slice(1)}`, kind: "figure", drawnIn, cell };
  }),
  { head: "Readings", kind: "figure", cell: ({ readings }) => inDigits(readings) },
];
