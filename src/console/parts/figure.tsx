import { None } from "./data-table.tsx";

/** A number that a plot draws, and how people read it; null is a gap. */
export function Figure({ value, shown }: { value: number | null; shown: string }) {
  return value === null ? <None /> : <data value={String(value)}>{shown}</data>;
}
