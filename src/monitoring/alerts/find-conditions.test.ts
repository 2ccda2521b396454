import { expect, test } from "vitest";
import type { Sample } from "../metrics/database-gauges.ts";
import { summaryOf } from "./alert-post.ts";
import { alertRules } from "./alert-rules.ts";
import { findConditions } from "./find-conditions.ts";

const toldOf = (...samples: Sample[]) =>
  findConditions(alertRules, samples)
    .filter(({ isTrue }) => isTrue === true)
    .map((condition) => `${condition.rule.name}: ${summaryOf(condition)}`);

test("a condition is true past its bound, and not at it", () => {
  const age = (held: string, value: number): Sample => ({
    name: "meter_outbox_unsealed_oldest_age_seconds",
    labels: { held },
    value,
  });
  expect(toldOf(age("false", 1_800), age("true", 21_600))).toEqual([]);
  expect(toldOf(age("false", 1_801), age("true", 25_200))).toEqual([
    "MeterOutboxUnsealedOld: The oldest usage of a paying customer has waited 30m 1s to be sealed",
    "MeterOutboxHeldOld: Usage of an organization without a Stripe customer has been held for 7h 0m 0s",
  ]);
  const left = { name: "meter_outbox_identifier_seconds_left" as const, value: 600 };
  expect(toldOf({ ...left, value: 14_400 })).toEqual([]);
  expect(toldOf(left)).toEqual([expect.stringContaining("In 10m 0s a meter event goes in doubt")]);
});

test("where samples differ in other labels only, the worst is told", () => {
  const pending = (meter: string, value: number): Sample => ({
    name: "meter_outbox_meter_events_oldest_age_seconds",
    labels: { state: "pending", meter },
    value,
  });
  expect(toldOf(pending("active_sensors", 2_000), pending("temperature_readings", 2_400))).toEqual([
    "MeterOutboxUndeliveredOld: The oldest undelivered meter event is 40m 0s old",
  ]);
});

test("a condition is told for each thing that its rule is about", () => {
  const uninvoiced = (reason: string, value: number): Sample => ({
    name: "meter_outbox_uninvoiced_quantity",
    labels: { meter: "temperature_readings", reason },
    value,
  });
  expect(
    toldOf(
      uninvoiced("before_subscription", 9),
      uninvoiced("after_subscription", 0),
      uninvoiced("no_subscription", 2),
    ),
  ).toEqual([
    "MeterOutboxUsageUninvoiced: 9 of temperature_readings will be on no invoice (before_subscription)",
    "MeterOutboxUsageUninvoiced: 2 of temperature_readings will be on no invoice (no_subscription)",
  ]);
});

test("webhook events that failed and those of the other mode count together", () => {
  const inbox = (state: string, value: number): Sample => ({
    name: "meter_outbox_webhook_events",
    labels: { state },
    value,
  });
  expect(toldOf(inbox("pending", 9), inbox("failed", 0), inbox("refused", 0))).toEqual([]);
  expect(toldOf(inbox("pending", 9), inbox("failed", 1), inbox("refused", 2))).toEqual([
    "MeterOutboxWebhookFailed: 3 webhook events of Stripe's could not be handled",
  ]);
});
