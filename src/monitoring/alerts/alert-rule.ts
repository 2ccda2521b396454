import type { GaugeName } from "../metrics/database-gauges.ts";

/**
 * A condition of docs/alerts.yaml that the database can tell, in the same words; a test compares each with its rule
 * there. Durations are seconds.
 */
export type AlertRule = {
  name: string;
  severity: "warning" | "critical";
  summary: string;
  gauge: GaugeName;
  /** Only samples with these labels; of a list, with any of its values. */
  where?: Readonly<Record<string, string | readonly string[]>>;
  /** How samples become one value; `by` names the labels that each alert is about. */
  fold: "max" | "min" | "sum";
  by?: readonly string[];
  /** A limit to cross, or growth: more than so long before. */
  when: { above: number } | { below: number } | { growsWithin: number; keepFiring: number };
  /** The alert begins when its condition has been true for this long. */
  heldFor?: number;
};
