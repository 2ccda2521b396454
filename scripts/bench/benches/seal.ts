import type { Comparison } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import { addDueEntries } from "../load/due-entries.ts";
import { emptyOutbox } from "../load/due-events.ts";
import { addFleet } from "../load/fleet.ts";
import type { SealEntriesTasks } from "../runners/seal-entries.ts";
import { startRunner } from "../site/runner.ts";
import { ask, checkpoint, createOurDatabase, type Site } from "../site/site.ts";

const fleets = [100, 10_000];
const firstEntries = 50_000;
const atLeast = 0.8;

/** Entries sealed as the worker's job seals them, against the statement that folds and stamps, alone. */
export async function benchSeal(site: Site): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const organizations of fleets) comparisons.push(await compare(site, organizations));
  return comparisons;
}

async function compare(site: Site, organizations: number): Promise<Comparison> {
  const url = await createOurDatabase(site, `seal_${organizations}`);
  await addFleet(url, { organizations, sensors: 1 });
  const runner = startRunner<SealEntriesTasks>(site, "seal-entries");
  await runner.ask("connect", { url });
  const contestant = (task: "seal" | "runStatement") => {
    let perOrganization = Math.ceil(firstEntries / organizations);
    return async () => {
      const { entries, seconds } = await sealOnce(url, perOrganization, () => runner.ask(task, undefined));
      const enough = Math.round(((entries / seconds) * site.secondsPerRound) / organizations);
      perOrganization = Math.max(Math.ceil(firstEntries / organizations), enough);
      return entries / seconds;
    };
  };
  const measured = await interleave(
    [
      { name: "ours", run: contestant("seal") },
      { name: "bare", run: contestant("runStatement") },
    ],
    site.rounds,
  );
  return {
    bench: "seal",
    what: `${organizations.toLocaleString("en-US")} organizations`,
    unit: "entries/s",
    ours: measured("ours"),
    peer: "the bare statement, without jobs",
    theirs: measured("bare"),
    target: { ratio: "at least", value: atLeast },
  };
}

async function sealOnce(
  url: string,
  perOrganization: number,
  seal: () => Promise<number>,
): Promise<{ entries: number; seconds: number }> {
  await emptyOutbox(url);
  const entries = await addDueEntries(url, perOrganization);
  await checkpoint(url);
  const seconds = await seal();
  const [row] = await ask<{ sealed: number }>(
    url,
    `select coalesce(sum(entries), 0)::int as sealed from metering.meter_events
     where quantity = entries * 500 and not exists (select from metering.meter_outbox where meter_event_id is null)`,
  );
  if (row?.sealed !== entries) throw new Error(`${row?.sealed} of ${entries} entries were sealed`);
  return { entries, seconds };
}
