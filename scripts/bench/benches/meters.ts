import type { Comparison } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import { addDueEntries } from "../load/due-entries.ts";
import { addFleet } from "../load/fleet.ts";
import type { SealEntriesTasks } from "../runners/seal-entries.ts";
import { startRunner } from "../site/runner.ts";
import { ask, checkpoint, createOurDatabase, type Site } from "../site/site.ts";

const organizations = 1_000;
const entriesPerOrganization = 20;
const entriesOfPaused = 1_000_000;
const eventsOfPaused = 20_000;

/** Sealing one meter beside a large backlog of the other, which is deactivated at Stripe, and without it. */
export async function benchMeters(site: Site): Promise<Comparison[]> {
  const [beside, alone] = [await openContestant(site, "beside"), await openContestant(site, "alone")];
  await addBacklog(beside.url);
  const measured = await interleave(
    [
      { name: "beside", run: beside.run },
      { name: "alone", run: alone.run },
    ],
    site.rounds,
  );
  return [
    {
      bench: "meters",
      what: "sealing 20,000 entries beside 1,000,000 unsealed entries and 20,000 pending events of the other meter",
      unit: "s",
      ours: measured("beside"),
      peer: "without them",
      theirs: measured("alone"),
      target: { ratio: "at most", value: 1.2 },
    },
  ];
}

async function openContestant(
  site: Site,
  name: string,
): Promise<{ url: string; run: () => Promise<number> }> {
  const url = await createOurDatabase(site, `meters_${name}`);
  await addFleet(url, { organizations, sensors: 1 });
  const runner = startRunner<SealEntriesTasks>(site, "seal-entries");
  await runner.ask("connect", { url });
  const run = async () => {
    await addDueEntries(url, entriesPerOrganization);
    await checkpoint(url);
    const seconds = await runner.ask("sealMeter", { meter: "temperature_readings" });
    const left = await ask(
      url,
      "select from metering.meter_outbox where meter_event_id is null and meter = 'temperature_readings' limit 1",
    );
    if (left.length > 0) throw new Error("not everything was sealed");
    await ask(
      url,
      "update metering.meter_events set state = 'delivered', delivered_at = now() where meter = 'temperature_readings'",
    );
    return seconds;
  };
  return { url, run };
}

async function addBacklog(url: string): Promise<void> {
  await ask(
    url,
    `insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
     select o.id, e.at, metering.uuid_v7(e.at), 'active_sensors', 5
     from generate_series(1, $1::int) n
     cross join lateral (select now() - n * interval '20 days' / $1::int as at) e
     cross join metering.organizations o`,
    [entriesOfPaused / organizations],
  );
  await ask(
    url,
    `insert into metering.meter_events (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
     select s.organization_id, metering.uuid_v7(clock_timestamp()), 'active_sensors', h.hour, 5, h.hour, 1, s.stripe_customer_id
     from generate_series(1, $1::int) n
     cross join lateral (select date_trunc('hour', now()) - n * interval '1 hour' as hour) h
     cross join metering.subscriptions s`,
    [eventsOfPaused / organizations],
  );
}
