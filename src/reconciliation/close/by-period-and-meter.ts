import type { MeterName } from "../../usage/meters.ts";

/** Rows of several periods, by the number of the period, from 0, and by meter. In a row the periods count from 1. */
export function byPeriodAndMeter<Row extends { n: number; meter: MeterName }>(
  rows: readonly Row[],
): (place: number, meter: MeterName) => readonly Row[] {
  const byKey = Map.groupBy(rows, ({ n, meter }) => `${n - 1} ${meter}`);
  return (place, meter) => byKey.get(`${place} ${meter}`) ?? [];
}
