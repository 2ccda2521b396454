import { formatDecimal } from "../decimal.ts";
import type { Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, resourceMissing } from "../request/errors.ts";
import { textField, type Form } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Touched } from "../request/touched.ts";
import type { Simulation } from "../state.ts";
import { aggregateCounts, collectCounts } from "../usage/aggregate.ts";
import type { Count } from "../usage/ledger.ts";
import { daySeconds, hourSeconds, type Meter } from "../usage/meter.ts";
import { visibleAt } from "../usage/summary-lag.ts";

const minuteSeconds = 60;

/** docs.stripe.com/api/billing/meter-event-summary/list, certain but for what the functions below say. */
export const eventSummariesRoute: Route = {
  method: "GET",
  path: "/v1/billing/meters/:id/event_summaries",
  api: "v1",
  execute: listEventSummaries,
  touches: touchedBySummaries,
};

type Query = { customer: string; start: number; end: number; groupSeconds: number | undefined };

function listEventSummaries(state: Simulation, request: StripeRequest): Answer {
  const meter = state.meters.get(request.id);
  if (meter === undefined) return resourceMissing("billing meter", request.id);
  const reading = readQuery(request.form);
  if ("answer" in reading) return reading.answer;
  const { query } = reading;
  if (!state.customers.has(query.customer)) return resourceMissing("customer", query.customer, "customer");
  const isVisible = visibleAt(state.clock.nowMs(), state.settings);
  const counts = collectCounts(state.ledger, { meter, isVisible, ...query });
  const summaries = groupCounts(counts, query).map(([range, group]) => ({
    id: `mtrusg_${meter.id}_${query.customer}_${range.start}_${range.end}`,
    object: "billing.meter_event_summary",
    aggregated_value: Number(formatDecimal(fold(state, meter, group))),
    end_time: range.end,
    livemode: request.livemode,
    meter: meter.id,
    start_time: range.start,
  }));
  return listPage(summaries, request.form, request.path);
}

function touchedBySummaries(state: Simulation, { id, form }: StripeRequest): Touched[] {
  return [{ customer: textField(form, "customer") ?? "", eventName: state.meters.get(id)?.eventName ?? "" }];
}

function readQuery(form: Form): { query: Query } | { answer: Answer } {
  const customer = textField(form, "customer") ?? "";
  if (customer === "") return { answer: missingParameter("customer") };
  const window = textField(form, "value_grouping_window");
  if (window !== undefined && window !== "hour" && window !== "day") {
    return { answer: invalidParameter(`Invalid value_grouping_window: ${window}`, "value_grouping_window") };
  }
  const groupSeconds = window === undefined ? undefined : window === "hour" ? hourSeconds : daySeconds;
  const times: number[] = [];
  for (const name of ["start_time", "end_time"]) {
    const text = textField(form, name);
    if (text === undefined) return { answer: missingParameter(name) };
    if (!/^\d{1,12}$/.test(text)) return { answer: invalidParameter(`Invalid integer: ${text}`, name) };
    const step = groupSeconds ?? minuteSeconds;
    // Reported by users as a 400; wording and code are not documented.
    if (Number(text) % step !== 0) {
      return {
        answer: invalidParameter(`The ${name} must be aligned with ${window ?? "minute"} boundaries.`, name),
      };
    }
    times.push(Number(text));
  }
  const [start = 0, end = 0] = times;
  if (start >= end)
    return { answer: invalidParameter("The end_time must be after the start_time.", "end_time") };
  return { query: { customer, start, end, groupSeconds } };
}

type Range = { start: number; end: number };

/**
 * Without a window there is one summary, even of nothing (certain); with one, hours or days without usage are left
 * out and the newest comes first (both undocumented, so don't rely on them).
 */
function groupCounts(counts: Count[], { start, end, groupSeconds }: Query): [Range, Count[]][] {
  if (groupSeconds === undefined) return [[{ start, end }, counts]];
  const groups = new Map<number, Count[]>();
  for (const count of counts) {
    const groupStart = count.timestamp - (count.timestamp % groupSeconds);
    const group = groups.get(groupStart) ?? [];
    group.push(count);
    groups.set(groupStart, group);
  }
  return [...groups]
    .toSorted(([a], [b]) => b - a)
    .map(([groupStart, group]) => [{ start: groupStart, end: groupStart + groupSeconds }, group]);
}

function fold(state: Simulation, meter: Meter, counts: Count[]) {
  return aggregateCounts(counts, { formula: meter.formula, lastOrder: state.settings.last_order });
}
