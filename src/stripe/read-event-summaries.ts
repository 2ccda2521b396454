import type Stripe from "stripe";
import { z } from "zod";
import { ForeignAnswer } from "./foreign-answer.ts";

export type SummaryQuestion = {
  meterId: string;
  customerId: string;
  /** Inclusive, on a minute; on the hour or midnight UTC when grouped. */
  start: Date;
  /** Exclusive, the same. */
  end: Date;
  /** Without it Stripe answers with one sum of all. */
  grouping?: "day" | "hour" | undefined;
};

/** Stripe's sum of one window, as plain digits: it may have a fraction or a sign where other programs send, too. */
export type EventSummary = { start: Date; end: Date; value: string };

/** As many windows as one answer holds (docs.stripe.com/api/billing/meter-event-summary). */
export const summariesMax = 100;

const answer = z.object({
  has_more: z.literal(false),
  data: z.array(
    z.object({
      object: z.literal("billing.meter_event_summary"),
      aggregated_value: z.number(),
      start_time: z.int(),
      end_time: z.int(),
      meter: z.string(),
    }),
  ),
});

/**
 * Reads Stripe's sums of a customer's meter in one request; at most `summariesMax` windows may be asked for. Windows
 * that Stripe leaves out had no event. Throws the SDK's error, and a `ForeignAnswer` for an answer that does not fit
 * the question.
 */
export async function readEventSummaries(stripe: Stripe, asked: SummaryQuestion): Promise<EventSummary[]> {
  const { meterId, customerId, start, end, grouping } = asked;
  const answered = await stripe.billing.meters.listEventSummaries(meterId, {
    customer: customerId,
    start_time: unixSeconds(start),
    end_time: unixSeconds(end),
    limit: summariesMax,
    ...(grouping !== undefined && { value_grouping_window: grouping }),
  });
  const parsed = answer.safeParse(answered);
  if (!parsed.success) throw new ForeignAnswer(200, "its summaries are not as Stripe writes them");
  const rows = parsed.data.data.map((row) => ({
    meter: row.meter,
    start: new Date(row.start_time * 1_000),
    end: new Date(row.end_time * 1_000),
    value: plainDecimal(row.aggregated_value),
  }));
  if (!rows.every((row) => isAskedFor(row, asked)) || hasTwins(rows)) {
    throw new ForeignAnswer(200, "its summaries are not those that were asked for");
  }
  return rows.map((row) => ({ start: row.start, end: row.end, value: row.value }));
}

type Row = EventSummary & { meter: string };

const lengthMs = { day: 86_400_000, hour: 3_600_000 };

function isAskedFor(row: Row, { meterId, start, end, grouping }: SummaryQuestion): boolean {
  const isInside = row.start >= start && row.end <= end && row.start < row.end;
  if (row.meter !== meterId || !isInside) return false;
  if (grouping === undefined) return true;
  const length = lengthMs[grouping];
  return row.start.getTime() % length === 0 && row.end.getTime() - row.start.getTime() === length;
}

/**
 * Stripe has two sums for one window, or two windows where one was asked for: adding them up or choosing one would be
 * wrong.
 */
function hasTwins(rows: readonly Row[]): boolean {
  return rows.some((row) =>
    rows.some((other) => other !== row && other.start < row.end && row.start < other.end),
  );
}

/** Writes a number as digits alone: `1e21` is `1000000000000000000000`. */
function plainDecimal(value: number): string {
  if (Number.isInteger(value)) return BigInt(value).toString();
  const text = String(value);
  const [digits = "", exponent] = text.split("e-");
  if (exponent === undefined) return text;
  const [, sign = "", whole = "", fraction = ""] = /^(-?)(\d)\.?(\d*)$/.exec(digits) ?? [];
  return `${sign}0.${"0".repeat(Number(exponent) - 1)}${whole}${fraction}`;
}

function unixSeconds(at: Date): number {
  return at.getTime() / 1_000;
}
