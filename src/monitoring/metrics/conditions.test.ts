import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { type ConditionRule, conditionRules, findConditions } from "./conditions.ts";
import { databaseGauges } from "./database-gauges.ts";

const alerts = await readFile(new URL("../../../docs/alerts.yaml", import.meta.url), "utf8");

test("every alert that the database can tell has its condition, with the same bound and severity", () => {
  const tellable = readAlerts().filter(({ expr }) => isOfOneGauge(expr));
  expect(tellable.length).toBeGreaterThan(10);
  expect(conditionRules.map(describe)).toEqual(
    tellable.map(({ name, severity, expr }) => ({
      name,
      severity,
      ...boundOf(expr),
    })),
  );
});

test("a condition holds past its bound, and the worst series is told", () => {
  const age = (seconds: number, held: string) => ({
    name: "meter_outbox_unsealed_oldest_age_seconds" as const,
    labels: { held },
    value: seconds,
  });
  expect(findConditions([age(1_800, "false"), age(21_600, "true")])).toEqual([]);
  expect(findConditions([age(1_801, "false"), age(25_200, "true")])).toEqual([
    {
      alert: "MeterOutboxUnsealedOld",
      severity: "warning",
      detail: "usage of a paying customer has waited 30 minutes to be sealed",
    },
    {
      alert: "MeterOutboxHeldOld",
      severity: "warning",
      detail: "usage of an organization without a Stripe customer has been held for 7 hours",
    },
  ]);
  const left = { name: "meter_outbox_identifier_seconds_left" as const, value: 600 };
  expect(findConditions([left])).toMatchObject([{ detail: "in 10 minutes a meter event goes in doubt" }]);
  expect(findConditions([{ ...left, value: 14_400 }])).toEqual([]);
});

type Alert = { name: string; severity: string; expr: string };

function readAlerts(): Alert[] {
  const blocks = alerts.split(/^ *- alert: /m).slice(1);
  return blocks.map((block) => ({
    name: /^\w+/.exec(block)?.[0] ?? "",
    severity: /severity: (\w+)/.exec(block)?.[1] ?? "",
    expr: (/expr: (?:>-\n)?((?:.|\n)*?)\n *(?:for|labels|keep_firing_for):/.exec(block)?.[1] ?? "").trim(),
  }));
}

/** One gauge of the database against a number: no past value, no rate, nothing of a process. */
function isOfOneGauge(expr: string): boolean {
  const names = [...expr.matchAll(/meter_outbox_\w+/g)].map(([name]) => name);
  const [name] = names;
  return (
    names.length === 1 && name !== undefined && name in databaseGauges && !/offset|increase|rate/.test(expr)
  );
}

function boundOf(expr: string) {
  const [, gauge, labels = "", sign, bound = ""] =
    /(meter_outbox_\w+)(?:\{(.*?)\})?\)* ([<>]) ([\d *+]+)$/.exec(expr) ?? [];
  const where = Object.fromEntries(
    [...labels.matchAll(/(\w+)="(\w+)"/g)].map(([, label = "", value = ""]) => [label, value]),
  );
  return { gauge, where, sign, bound: sumOf(bound) };
}

function describe(rule: ConditionRule) {
  const { alert: name, severity, gauge, where = {} } = rule;
  const isAbove = "above" in rule;
  return {
    name,
    severity,
    gauge,
    where,
    sign: isAbove ? ">" : "<",
    bound: isAbove ? rule.above : rule.below,
  };
}

/** Of products, such as `2 * 3600 + 300`. */
function sumOf(text: string): number {
  const products = text.split("+").map((part) => part.split("*").reduce((all, one) => all * Number(one), 1));
  return products.reduce((all, one) => all + one, 0);
}
