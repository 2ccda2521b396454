import type { MeterName } from "../../usage/meters.ts";
import { hourMs, startOfHour } from "./hours.ts";
import type { StripeAccount } from "../stripe/stripe-account.ts";

/** The question to Stripe's event summaries; both times are rounded outwards to whole hours. */
export type BillQuery = { customer: string; meter?: MeterName; from?: Date; until?: Date };

/** The usage that Stripe will bill a customer for the time, in one figure. */
export async function readTotal(account: StripeAccount, query: BillQuery): Promise<number> {
  const [summary] = (await account.stripe.billing.meters.listEventSummaries(...range(account, query))).data;
  return summary?.aggregated_value ?? 0;
}

/** Stripe's count in each hour with usage, keyed by the hour's start. */
export async function readHours(account: StripeAccount, query: BillQuery): Promise<Map<string, number>> {
  const [meterId, asked] = range(account, query);
  const hours = new Map<string, number>();
  const windows = { ...asked, value_grouping_window: "hour" as const, limit: 100 };
  for await (const summary of account.stripe.billing.meters.listEventSummaries(meterId, windows)) {
    hours.set(new Date(summary.start_time * 1_000).toISOString(), summary.aggregated_value);
  }
  return hours;
}

/** By default from two days ago to the end of the present hour. */
function range(
  { meterIds }: StripeAccount,
  { customer, meter = "temperature_readings", from, until }: BillQuery,
): [string, { customer: string; start_time: number; end_time: number }] {
  const start = startOfHour(from ?? new Date(Date.now() - 48 * hourMs));
  const end = startOfHour(new Date((until ?? new Date()).getTime() + hourMs - 1));
  return [meterIds[meter], { customer, start_time: seconds(start), end_time: seconds(end) }];
}

function seconds(at: Date): number {
  return at.getTime() / 1_000;
}
