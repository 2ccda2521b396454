import type { Db } from "../../database/db.ts";
import { eventAgeMsMax } from "../../delivery/limits.ts";
import { readUnsealedAges, readUnsealedAmounts } from "../../outbox/unsealed.ts";
import { meterNames } from "../../usage/meters.ts";
import type { Sample } from "./database-gauges.ts";

/** Where no entry waits, the gauges are 0 and not missing. */
const held = [false, true];

/** How much waits to be sealed. */
export async function readUnsealedGauges(db: Db): Promise<Sample[]> {
  const amounts = await readUnsealedAmounts(db);
  const none = held.flatMap((isHeld) =>
    meterNames.map((meter) => ({ meter, isHeld, entries: 0, quantity: 0 })),
  );
  return [...none, ...amounts].flatMap(({ meter, isHeld, entries, quantity }): Sample[] => {
    const labels = { meter, held: String(isHeld) };
    return [
      { name: "meter_outbox_unsealed_entries", labels, value: entries },
      { name: "meter_outbox_unsealed_quantity", labels, value: quantity },
    ];
  });
}

/** For how long the oldest entry has waited, and how long it still can. */
export async function readUnsealedAgeGauges(db: Db): Promise<Sample[]> {
  const ages = await readUnsealedAges(db);
  const samples = held.map((isHeld): Sample => {
    const value = ages.find((age) => age.isHeld === isHeld)?.ageSeconds ?? 0;
    return { name: "meter_outbox_unsealed_oldest_age_seconds", labels: { held: String(isHeld) }, value };
  });
  if (ages.length === 0) return samples;
  const oldestSeconds = Math.max(...ages.map(({ ageSeconds }) => ageSeconds));
  const value = Math.max(0, eventAgeMsMax / 1_000 - oldestSeconds);
  return [...samples, { name: "meter_outbox_expiry_seconds_left", labels: { of: "entry" }, value }];
}
