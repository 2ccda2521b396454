import type { FigurePoint } from "../../monitoring/figures/figure-points.ts";
import { type FigureSpan, figureSpans } from "../../monitoring/figures/read-figures.ts";
import { type MeterName, metersFoldedBy } from "../../usage/meters.ts";
import type { Column } from "../parts/data-table.tsx";
import { Figure } from "../parts/figure.tsx";
import { asAge, asRate } from "../parts/figures.ts";
import { PlottedTable } from "../parts/plotted-table.tsx";
import { When } from "../parts/when.tsx";

export type Plots = { span: FigureSpan; until: Date; points: readonly FigurePoint[] };

/** What is drawn over the last hour, day or week; the page asks for it again, and gets it when a minute more has ended. */
export function FigurePlots({ plots: { span, until, points } }: { plots: Plots }) {
  return (
    <section
      id="plots"
      aria-label={`The last ${span}`}
      hx-get={`/console/road/plots?span=${span}&until=${until.toISOString()}`}
      hx-trigger="renew from:body"
      hx-swap="outerHTML"
    >
      <div class="plots-head">
        <h2>The last {span}</h2>
        <nav aria-label="How far back">
          {figureSpans.map((one) => (
            <a href={`/console?span=${one}#plots`} aria-current={one === span ? "true" : undefined}>
              {one}
            </a>
          ))}
        </nav>
        <p class="small">
          {steps[span]}, until <When at={until} />. A gap: no worker counted it.
        </p>
      </div>
      <div class="plots">
        {drawn.map((plot) => (
          <FigurePlot plot={plot} points={points} />
        ))}
      </div>
    </section>
  );
}

const steps: Record<FigureSpan, string> = {
  hour: "By the minute",
  day: "By ten minutes",
  week: "By the hour",
};

type Plot = {
  title: string;
  says: string;
  kind: "lines" | "stacked";
  unit: "per second" | "per minute" | "seconds" | "milliseconds";
  columns: readonly Column<FigurePoint>[];
};

function FigurePlot({ plot, points }: { plot: Plot; points: readonly FigurePoint[] }) {
  const { title, says, kind, unit, columns } = plot;
  return (
    <PlottedTable
      plot={kind}
      unit={unit}
      name={title}
      caption={title}
      columns={[from, ...columns]}
      rows={points}
    >
      <figcaption>
        <h3>{title}</h3>
        <p class="small">{says}</p>
      </figcaption>
    </PlottedTable>
  );
}

const from: Column<FigurePoint> = { head: "From", kind: "name", cell: ({ at }) => <When at={at} /> };

type Read = (point: FigurePoint) => number | null;

function column(
  head: string,
  drawnIn: string,
  [read, show]: [Read, (value: number) => string],
): Column<FigurePoint> {
  const cell = (point: FigurePoint) => {
    const value = read(point);
    return <Figure value={value} shown={value === null ? "" : show(value)} />;
  };
  return { head, kind: "figure", drawnIn, cell };
}

const intake = metersFoldedBy("sum").map((meter: MeterName) =>
  column(meter.replaceAll("_", " "), "--accent", [(point) => point.intakePerSecond[meter] ?? null, asRate]),
);

const drawn: readonly Plot[] = [
  {
    title: "Intake",
    says: "Usage taken in a second",
    kind: "lines",
    unit: "per second",
    columns: intake,
  },
  {
    title: "Deliveries by verdict",
    says: "Attempts a minute, by what Stripe said",
    kind: "stacked",
    unit: "per minute",
    columns: [
      column("Delivered", "--delivered", [({ perMinute }) => perMinute?.delivered ?? null, asRate]),
      column("Retried", "--pending", [({ perMinute }) => perMinute?.retried ?? null, asRate]),
      column("No answer", "--in-doubt", [({ perMinute }) => perMinute?.unanswered ?? null, asRate]),
      column("Rejected", "--rejected", [({ perMinute }) => perMinute?.rejected ?? null, asRate]),
    ],
  },
  {
    title: "Seal lag",
    says: "Age of the oldest entry that waits for the seal, at its largest",
    kind: "lines",
    unit: "seconds",
    columns: [column("Oldest entry", "--unsealed", [({ sealLagSeconds }) => sealLagSeconds, asAge])],
  },
  {
    title: "Backlog age",
    says: "Age of the oldest pending usage, at its largest",
    kind: "lines",
    unit: "seconds",
    columns: [column("Oldest usage", "--pending", [({ backlogSeconds }) => backlogSeconds, asAge])],
  },
  {
    title: "Stripe's latency",
    says: "Time until Stripe answered, within 5 %",
    kind: "lines",
    unit: "milliseconds",
    columns: [
      column("p50", "--delivered", [({ latency }) => latency?.p50 ?? null, asMs]),
      column("p95", "--in-doubt", [({ latency }) => latency?.p95 ?? null, asMs]),
      column("p99", "--rejected", [({ latency }) => latency?.p99 ?? null, asMs]),
    ],
  },
];

function asMs(value: number): string {
  return `${asRate(value)} ms`;
}
