import { readFile } from "node:fs/promises";

/** One measured temperature of the data set, moved in time. */
export type HourlyTemperature = { recordedAt: Date; celsius: number };

/** Seattle's hourly normals, measured by NOAA: a year but for its first hour, in the package vega-datasets. */
const fileInPackage = "../data/seattle-weather-hourly-normals.csv";

/** Reads the data set from node_modules, its times moved so that the last one is `lastAt`. */
export async function loadTemperatures(lastAt: Date): Promise<HourlyTemperature[]> {
  // The package exports nothing but its entry point, build/index.js.
  const file = new URL(fileInPackage, import.meta.resolve("vega-datasets"));
  return shiftTo(lastAt, parseTemperatures(await readFile(file, "utf8")));
}

/** Parses the columns `date` (local time without offset, taken as UTC) and `temperature` (°C). */
export function parseTemperatures(csv: string): HourlyTemperature[] {
  const [header = "", ...lines] = csv.trim().split(/\r?\n/);
  const columns = header.split(",");
  const date = columns.indexOf("date");
  const temperature = columns.indexOf("temperature");
  return lines.map((line) => {
    const fields = line.split(",");
    const recordedAt = new Date(`${fields[date]}Z`);
    const celsius = Number.parseFloat(fields[temperature] ?? "");
    if (Number.isNaN(recordedAt.getTime()) || Number.isNaN(celsius))
      throw new Error(`no temperature: ${line}`);
    return { recordedAt, celsius };
  });
}

/** Moves all times by the same distance, so that the latest is `lastAt`. */
export function shiftTo(lastAt: Date, temperatures: readonly HourlyTemperature[]): HourlyTemperature[] {
  const last = temperatures.reduce((latest, { recordedAt }) => Math.max(latest, recordedAt.getTime()), 0);
  const distanceMs = lastAt.getTime() - last;
  return temperatures.map(({ recordedAt, celsius }) => ({
    recordedAt: new Date(recordedAt.getTime() + distanceMs),
    celsius,
  }));
}
