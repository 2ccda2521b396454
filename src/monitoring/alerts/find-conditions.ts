import type { Sample } from "../metrics/database-gauges.ts";
import type { AlertRule } from "./alert-rule.ts";

/** A rule's value for one of the things that it is about. */
export type Condition = {
  rule: AlertRule;
  /** As `scope=account`, or `meter=…,reason=…`; empty where a rule is about one thing only. */
  subject: string;
  value: number;
  /** Undefined for a rule about growth: it depends on the value before. */
  isTrue: boolean | undefined;
};

/**
 * The conditions of the rules whose gauges were measured. Pure; `moveAlert` decides whether one has been true long
 * enough.
 */
export function findConditions(rules: readonly AlertRule[], samples: readonly Sample[]): Condition[] {
  return rules.flatMap((rule) => {
    const groups = Map.groupBy(
      samples.filter((sample) => isOf(rule, sample)),
      ({ labels }) => (rule.by ?? []).map((label) => `${label}=${labels?.[label] ?? ""}`).join(","),
    );
    return [...groups].map(([subject, group]) => {
      const value = fold(
        rule,
        group.map((sample) => sample.value),
      );
      return { rule, subject, value, isTrue: judge(rule, value) };
    });
  });
}

function isOf({ gauge, where = {} }: AlertRule, { name, labels = {} }: Sample): boolean {
  const has = (label: string, wanted: string | readonly string[]) =>
    [wanted].flat().some((value) => labels[label] === value);
  return name === gauge && Object.entries(where).every(([label, wanted]) => has(label, wanted));
}

function fold({ fold: how }: AlertRule, values: readonly number[]): number {
  switch (how) {
    case "max":
      return Math.max(...values);
    case "min":
      return Math.min(...values);
    case "sum":
      return values.reduce((sum, value) => sum + value, 0);
  }
}

function judge({ when }: AlertRule, value: number): boolean | undefined {
  if ("above" in when) return value > when.above;
  if ("below" in when) return value < when.below;
  return undefined;
}
