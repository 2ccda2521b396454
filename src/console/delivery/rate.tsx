import type { LatestMinute } from "../../monitoring/figures/read-figures.ts";
import type { SeenWorker } from "../../monitoring/seen-workers.ts";
import { type Column, DataTable, None } from "../parts/data-table.tsx";
import { asRate } from "../parts/figures.ts";
import { Ago, When } from "../parts/when.tsx";

type RateProps = { workers: readonly SeenWorker[]; latest: LatestMinute; now: Date };

/** How fast the workers send, and may. */
export function Rate({ workers, latest, now }: RateProps) {
  const perSecond = sumOf(workers, (worker) => worker.perSecond);
  const perSecondMax = sumOf(workers, (worker) => worker.perSecondMax);
  return (
    <section aria-label="Rate">
      <h2>Rate against the limit</h2>
      <dl class="facts">
        <div>
          <dt>May be sent now</dt>
          <dd>
            {perSecondMax === 0
              ? "nothing: no worker that sends runs"
              : perSecondWords(perSecond, perSecondMax)}
          </dd>
        </div>
        <div>
          <dt>Delivered in the latest minute</dt>
          <dd>
            {latest === null ? (
              "not counted"
            ) : (
              <>
                {asRate(latest.delivered / 60)} a second, until <When at={latest.endsAt} />
              </>
            )}
          </dd>
        </div>
      </dl>
      {workers.length > 0 && <DataTable caption="Workers that run" columns={columnsOf(now)} rows={workers} />}
    </section>
  );
}

/** After a 429 a worker sends at half its rate, which then grows back by itself. */
function perSecondWords(perSecond: number, perSecondMax: number): string {
  const words = `${asRate(perSecond)} of ${asRate(perSecondMax)} meter events a second`;
  return perSecond < perSecondMax * 0.99 ? `${words}: Stripe has slowed the workers down (429)` : words;
}

function sumOf(workers: readonly SeenWorker[], rate: (worker: SeenWorker) => number | null): number {
  return workers.reduce((sum, worker) => sum + (rate(worker) ?? 0), 0);
}

function columnsOf(now: Date): Column<SeenWorker>[] {
  const rateCell = (rate: number | null) => (rate === null ? <None /> : asRate(rate));
  return [
    { head: "Worker", kind: "mono", cell: ({ id }) => id },
    { head: "Sends by", cell: ({ transport }) => transport ?? <None /> },
    { head: "Rate", kind: "figure", cell: ({ perSecond }) => rateCell(perSecond) },
    { head: "Limit", kind: "figure", cell: ({ perSecondMax }) => rateCell(perSecondMax) },
    { head: "Runs since", cell: ({ startedAt }) => <When at={startedAt} /> },
    { head: "Seen", cell: ({ seenAt }) => <Ago at={seenAt} now={now} /> },
  ];
}
