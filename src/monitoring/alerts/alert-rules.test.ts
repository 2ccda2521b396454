import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { databaseGauges } from "../metrics/database-gauges.ts";
import type { AlertRule } from "./alert-rule.ts";
import { alertRules } from "./alert-rules.ts";

const text = await readFile(new URL("../../../docs/alerts.yaml", import.meta.url), "utf8");
const documented = text
  .split(/^ {6}- alert: /m)
  .slice(1)
  .map(readRule);

test("every rule of docs/alerts.yaml that rests on the database's gauges alone is told, in the same words", () => {
  const ofDatabase = documented.filter(({ expr }) => {
    const gauges = expr.match(/meter_outbox_\w+/g) ?? [];
    return gauges.every((gauge) => Object.hasOwn(databaseGauges, gauge));
  });
  expect(ofDatabase.length).toBeGreaterThan(10);
  expect(alertRules.map(inYaml)).toEqual(ofDatabase);
});

type YamlRule = {
  name: string;
  expr: string;
  severity: string;
  summary: string;
  for: number;
  keepFiring: number;
};

function inYaml(rule: AlertRule): YamlRule {
  const { when } = rule;
  const keepFiring = "keepFiring" in when ? when.keepFiring : 0;
  const { name, severity, summary, heldFor = 0 } = rule;
  return { name, expr: promqlOf(rule), severity, summary, for: heldFor, keepFiring };
}

function promqlOf({ gauge, where = {}, fold, by, when }: AlertRule): string {
  const labels = Object.entries(where).map(([label, value]) =>
    typeof value === "string" ? `${label}="${value}"` : `${label}=~"${value.join("|")}"`,
  );
  const selector = labels.length === 0 ? gauge : `${gauge}{${labels.join(",")}}`;
  const asked = (suffix = "") =>
    // Every process shows the same value, so the sum is taken over each meter's largest, or each state's.
    fold === "sum"
      ? `sum(max by (${gauge === "meter_outbox_webhook_events" ? "state" : "meter"}) (${selector}${suffix}))`
      : `${fold}${by === undefined ? "" : ` by (${by.join(", ")})`}${by === undefined ? "" : " "}(${selector})`;
  if ("above" in when) return `${asked()} > ${when.above}`;
  if ("below" in when) return `${asked()} < ${when.below}`;
  return `${asked()} > ${asked(` offset ${when.growsWithin}s`)}`;
}

function readRule(block: string): YamlRule {
  const read = (pattern: RegExp) => pattern.exec(block)?.[1] ?? "";
  const folded = read(/expr: >-\n((?: {10}.*\n)+)/)
    .replaceAll(/\s+/g, " ")
    .trim();
  const expr = (folded === "" ? read(/expr: (.*)/) : folded)
    .replace(/[\d* +]+$/, (sum) => ` ${evaluate(sum)}`)
    .replaceAll(/offset (\w+)/g, (_, span: string) => `offset ${secondsIn(span)}s`);
  return {
    name: block.split("\n")[0] ?? "",
    expr,
    severity: read(/severity: (\w+)/),
    summary: read(/summary: "(.*)"/),
    for: secondsIn(read(/^ {8}for: (.*)$/m)),
    keepFiring: secondsIn(read(/keep_firing_for: (.*)/)),
  };
}

/** Such as `2 * 3600 + 300`. */
function evaluate(sum: string): number {
  const product = (factors: string) =>
    factors.split("*").reduce((result, factor) => result * Number(factor), 1);
  return sum.split("+").reduce((result, part) => result + product(part), 0);
}

function secondsIn(span: string): number {
  const units: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };
  const [, amount = "0", unit = "s"] = /^(\d+)([smhd])$/.exec(span) ?? [];
  return Number(amount) * (units[unit] ?? 0);
}
