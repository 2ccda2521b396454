import { ask } from "../site/site.ts";

/** Adds up all that a database was filled with, as the worker's sweep does every minute. Tells on stderr how long it took. */
export async function addUpStored(url: string): Promise<void> {
  const startedAtMs = performance.now();
  for (const work of ["add_up_meter_events", "add_up_usage"]) {
    for (;;) {
      const [row] = await ask<{ added: number }>(url, `select metering.${work}() as added`);
      if (row === undefined || row.added === 0) break;
    }
  }
  for (;;) {
    const [row] = await ask<{ counted: boolean }>(url, "select metering.count_readings() as counted");
    if (row?.counted !== true) break;
  }
  await ask(url, "vacuum analyze metering.usage_sums, metering.reading_counts");
  console.error(`added up in ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s`);
}
