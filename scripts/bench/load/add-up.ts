import { ask } from "../site/site.ts";

/** Adds up all that a database was filled with, as the worker's sweep does every minute. Tells on stderr how long it took. */
export async function addUpStored(url: string): Promise<void> {
  const startedAtMs = performance.now();
  await ask(
    url,
    `do $$ begin
       while metering.add_up_meter_events() > 0 loop commit; end loop;
       while metering.add_up_usage() > 0 loop commit; end loop;
       while metering.count_readings() loop commit; end loop;
     end $$`,
  );
  await ask(url, "vacuum analyze metering.usage_sums, metering.reading_counts");
  console.error(`added up in ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s`);
}
