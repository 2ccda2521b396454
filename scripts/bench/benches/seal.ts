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
  const table = { url, organizations, empty: () => emptyOutbox(url) };
  const measured = await interleave(
    [
      { name: "ours", run: sealContestant(site, table, () => runner.ask("seal", undefined)) },
      { name: "bare", run: sealContestant(site, table, () => runner.ask("runStatement", undefined)) },
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

export type SealTable = {
  url: string;
  organizations: number;
  /** Deletes the rows that the round before has left. */
  empty: () => Promise<void>;
};

/** One contestant: each round seals as many entries as the rounds before say fill the time. Returns entries a second. */
export function sealContestant(
  site: Site,
  table: SealTable,
  seal: () => Promise<number>,
): () => Promise<number> {
  const { organizations } = table;
  let perOrganization = Math.ceil(firstEntries / organizations);
  return async () => {
    const { entries, seconds } = await sealOnce(table, perOrganization, seal);
    const enough = Math.round(((entries / seconds) * site.secondsPerRound) / organizations);
    perOrganization = Math.max(Math.ceil(firstEntries / organizations), enough);
    return entries / seconds;
  };
}

async function sealOnce(
  { url, empty }: SealTable,
  perOrganization: number,
  seal: () => Promise<number>,
): Promise<{ entries: number; seconds: number }> {
  await empty();
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
