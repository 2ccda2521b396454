import type { Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, resourceMissing } from "../request/errors.ts";
import { mapField, textField, type Form } from "../request/form.ts";
import type { Simulation } from "../state.ts";
import type { Interval, Price, Recurring } from "./price.ts";

/** The parts of a price that are fixed for ever by its creation. */
export type PriceTerms = Pick<Price, "currency" | "unitAmount" | "recurring">;

type Reading<T> = { isGood: true; value: T } | { isGood: false; answer: Answer };

const units = ["day", "week", "month", "year"] as const;
/** docs.stripe.com/api/prices/create, certain: at most three years. */
const countMax = { day: 1_095, week: 156, month: 36, year: 3 };

/** Reads currency, amount and recurrence of `POST /v1/prices` or of `price_data`. */
export function readPriceTerms(state: Simulation, form: Form): Reading<PriceTerms> {
  const currency = textField(form, "currency")?.toLowerCase();
  if (currency === undefined) return refused(missingParameter("currency"));
  if (!/^[a-z]{3}$/.test(currency)) return refused(invalidParameter("Invalid currency.", "currency"));
  const amount = readAmount(form);
  if (!amount.isGood) return amount;
  const recurring = mapField(form, "recurring");
  if (recurring === undefined) return good({ currency, unitAmount: amount.value, recurring: null });
  const read = readRecurring(state, recurring);
  return read.isGood ? good({ currency, unitAmount: amount.value, recurring: read.value }) : read;
}

function readAmount(form: Form): Reading<string> {
  if ((textField(form, "billing_scheme") ?? "per_unit") !== "per_unit") {
    return refused(invalidParameter("The simulator knows the scheme 'per_unit' only.", "billing_scheme"));
  }
  const whole = textField(form, "unit_amount");
  const decimal = textField(form, "unit_amount_decimal");
  if (whole !== undefined && decimal !== undefined) {
    return refused(
      invalidParameter("You may only specify one of these parameters: unit_amount, unit_amount_decimal."),
    );
  }
  if (whole !== undefined) {
    return /^\d{1,12}$/.test(whole)
      ? good(String(Number(whole)))
      : refused(invalidParameter(`Invalid integer: ${whole}`, "unit_amount"));
  }
  if (decimal === undefined) return refused(missingParameter("unit_amount"));
  return /^\d{1,12}(?:\.\d{1,12})?$/.test(decimal)
    ? good(decimal)
    : refused(invalidParameter(`Invalid decimal: ${decimal}`, "unit_amount_decimal"));
}

function readRecurring(state: Simulation, form: Form): Reading<Recurring> {
  const interval = readInterval(form);
  if (!interval.isGood) return interval;
  const usageType = textField(form, "usage_type") ?? "licensed";
  const meter = textField(form, "meter");
  switch (usageType) {
    case "licensed":
      return meter === undefined
        ? good({ interval: interval.value, usageType, meter: null })
        : refused(invalidParameter("A meter can be set only on a metered price.", "recurring[meter]"));
    case "metered":
      return readMetered(state, interval.value, meter);
    default:
      return refused(
        invalidParameter(`Invalid recurring[usage_type]: must be one of licensed or metered`, usageTypeField),
      );
  }
}

const usageTypeField = "recurring[usage_type]";

/**
 * Since 2025-03-31.basil a metered price is backed by a meter (certain), and a deactivated meter cannot be attached
 * (docs.stripe.com/billing, certain). The wording is our guess.
 */
function readMetered(state: Simulation, interval: Interval, meter: string | undefined): Reading<Recurring> {
  if (meter === undefined) return refused(missingParameter("recurring[meter]"));
  const known = state.meters.get(meter);
  if (known === undefined) return refused(resourceMissing("billing meter", meter, "recurring[meter]"));
  if (known.deactivatedAt !== undefined) {
    return refused(invalidParameter(`The meter ${meter} is inactive.`, "recurring[meter]"));
  }
  return good({ interval, usageType: "metered", meter });
}

function readInterval(form: Form): Reading<Interval> {
  const word = textField(form, "interval");
  if (word === undefined) return refused(missingParameter("recurring[interval]"));
  const unit = units.find((one) => one === word);
  if (unit === undefined) {
    return refused(
      invalidParameter(`Invalid interval: must be one of ${units.join(", ")}`, "recurring[interval]"),
    );
  }
  const count = textField(form, "interval_count") ?? "1";
  if (!/^[1-9]\d{0,3}$/.test(count) || Number(count) > countMax[unit]) {
    return refused(invalidParameter("Invalid interval_count.", "recurring[interval_count]"));
  }
  return good({ unit, count: Number(count) });
}

function good<T>(value: T): Reading<T> {
  return { isGood: true, value };
}

function refused(answer: Answer): { isGood: false; answer: Answer } {
  return { isGood: false, answer };
}
