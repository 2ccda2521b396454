import { ask } from "../site/site.ts";

/** Writes `perOrganization` unsealed entries of the last full hour for every organization. Returns how many. */
export async function addDueEntries(url: string, perOrganization: number): Promise<number> {
  const [row] = await ask<{ entries: number }>(
    url,
    `with added as (
       insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
       select o.id, e.at, metering.uuid_v7(e.at), 'temperature_readings', 500
       from generate_series(0, $1::int - 1) n
       cross join lateral (
         select date_trunc('hour', now()) - interval '1 hour' + n * interval '1 hour' / $1::int as at
       ) e
       cross join metering.organizations o
       returning 1
     )
     select count(*)::int as entries from added`,
    [perOrganization],
  );
  await ask(url, "vacuum analyze metering.meter_outbox");
  return row?.entries ?? 0;
}
