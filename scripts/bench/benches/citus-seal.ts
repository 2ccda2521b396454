import type { Comparison } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import type { SealEntriesTasks } from "../runners/seal-entries.ts";
import { startRunner } from "../site/runner.ts";
import { ask, checkpoint, type Site } from "../site/site.ts";

const firstPerOrganization = 200;
const sealAtLeast = 0.5;

/** `url`: a database with a fleet of `organizations`, each with a customer. */
export type SealSide = { url: string; organizations: number };

/** Entries sealed as the worker's job seals them, on a cluster against one Postgres. */
export async function compareSeal(
  site: Site,
  { ours, theirs }: { ours: SealSide; theirs: SealSide },
): Promise<Omit<Comparison, "bench" | "peer">> {
  const measured = await interleave(
    [
      { name: "ours", run: await sealContestant(site, ours) },
      { name: "theirs", run: await sealContestant(site, theirs) },
    ],
    site.rounds,
  );
  return {
    what: `the seal, ${ours.organizations} organizations`,
    unit: "entries/s",
    ours: measured("ours"),
    theirs: measured("theirs"),
    target: { ratio: "at least", value: sealAtLeast },
  };
}

/** Each round seals as many entries as the rounds before say fill the time. Returns entries a second. */
async function sealContestant(site: Site, { url, organizations }: SealSide): Promise<() => Promise<number>> {
  const runner = startRunner<SealEntriesTasks>(site, "seal-entries");
  await runner.ask("connect", { url });
  await runner.ask("seal", undefined);
  let perOrganization = firstPerOrganization;
  return async () => {
    const entries = perOrganization * organizations;
    const before = await countSealed(url);
    await addEntries(url, perOrganization);
    await checkpoint(url);
    const seconds = await runner.ask("seal", undefined);
    const sealed = (await countSealed(url)) - before;
    if (sealed !== entries) throw new Error(`${sealed} of ${entries} entries were sealed`);
    const enough = Math.round(((entries / seconds) * site.secondsPerRound) / organizations);
    perOrganization = Math.max(firstPerOrganization, enough);
    return entries / seconds;
  };
}

async function countSealed(url: string): Promise<number> {
  const [row] = await ask<{ sealed: number }>(
    url,
    "select coalesce(sum(entries), 0)::int as sealed from metering.meter_events",
  );
  return row?.sealed ?? 0;
}

/** Unsealed entries of the last full hour; a cluster gives them to its nodes, and does not return them. */
async function addEntries(url: string, perOrganization: number): Promise<void> {
  await ask(
    url,
    `insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
     select o.id, e.at, metering.uuid_v7(e.at), 'temperature_readings', 500
     from generate_series(0, $1::int - 1) n
     cross join lateral (
       select date_trunc('hour', now()) - interval '1 hour' + n * interval '1 hour' / $1::int as at
     ) e
     cross join metering.organizations o`,
    [perOrganization],
  );
  await ask(url, "analyze metering.meter_outbox");
}
