import type { Lease } from "../../delivery/leases.ts";
import { type Column, DataTable } from "../parts/data-table.tsx";
import { asAge, inDigits, secondsBetween } from "../parts/figures.ts";
import { Ago } from "../parts/when.tsx";

/** As many leases as the page lists. */
export const leasesShownMax = 25;

type LeasesProps = { leases: readonly Lease[]; inFlight: number; now: Date };

/** What workers have to themselves at the moment, those that began first at first. */
export function Leases({ leases, inFlight, now }: LeasesProps) {
  return (
    <section aria-label="Leases">
      <h2>Leases</h2>
      {leases.length === 0 ? (
        <p class="calm-words">
          Nothing is in flight. A meter event stands here from the beginning of an attempt to its end.
        </p>
      ) : (
        <>
          <p class="small">
            {inDigits(inFlight)} in flight
            {inFlight > leases.length &&
              `, of which the ${inDigits(leases.length)} that began first stand here`}
            . When a lease is over, its worker is taken for lost and another may try.
          </p>
          <DataTable caption="What is in flight" hidesCaption columns={columnsOf(now)} rows={leases} />
        </>
      )}
    </section>
  );
}

function columnsOf(now: Date): Column<Lease>[] {
  return [
    {
      head: "Meter event",
      kind: "name",
      cell: ({ meterEventId: id }) => (
        <a class="mono" href={`/console/meter-events/${id}`}>
          {id}
        </a>
      ),
    },
    { head: "Meter", cell: ({ meter }) => meter },
    { head: "Attempt", kind: "figure", cell: ({ attempt }) => inDigits(attempt) },
    { head: "Since", cell: ({ since }) => <Ago at={since} now={now} /> },
    { head: "Until", cell: ({ until }) => <Until until={until} now={now} /> },
  ];
}

function Until({ until, now }: { until: Date | null; now: Date }) {
  if (until === null) return <>its job is gone; a worker makes another</>;
  const seconds = secondsBetween(now, until);
  return <time datetime={until.toISOString()}>{seconds <= 0 ? "over" : `${asAge(seconds)} more`}</time>;
}
