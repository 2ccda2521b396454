import { expect, test } from "vitest";
import { json, serve } from "../testing/net/raw-server.ts";
import { createStripe } from "./client.ts";
import { foreignAnswerOf } from "./foreign-answer.ts";
import { createStripeReads } from "./reads.ts";

const apiKey = "sk_test_summaries";
const hour = 3_600;
/** An hour in UTC, in seconds. */
const from = 1_763_769_600;
const asked = {
  meterId: "mtr_1",
  customerId: "cus_1",
  start: new Date(from * 1_000),
  end: new Date((from + 3 * hour) * 1_000),
};
const summary = {
  object: "billing.meter_event_summary",
  id: "mtrusg_1",
  meter: "mtr_1",
  aggregated_value: 5,
  start_time: from,
  end_time: from + hour,
};
const page = (...data: unknown[]) => ({ object: "list", has_more: false, url: "/v1/x", data });

async function read(body: unknown, grouping?: "hour") {
  const { url } = await serve(json(200, body));
  const reads = createStripeReads(createStripe({ apiKey, apiBase: url, timeoutMs: 5_000 }), apiKey);
  return reads.readEventSummaries({ ...asked, grouping });
}

test("sums are taken as they are, however written, and windows without any are left out", async () => {
  const other = { ...summary, start_time: from + hour, end_time: from + 2 * hour };
  const sums = await read(
    page({ ...summary, aggregated_value: 1e21 }, { ...other, aggregated_value: -0.000_000_25 }),
    "hour",
  );
  expect(sums.map(({ value }) => value)).toEqual(["1000000000000000000000", "-0.00000025"]);
  expect(await read(page())).toEqual([]);
});

const foreign: [what: string, body: unknown, grouping?: "hour"][] = [
  ["of another meter", page({ ...summary, meter: "mtr_2" })],
  ["of before the window", page({ ...summary, start_time: from - hour })],
  ["of after it", page({ ...summary, end_time: from + 4 * hour })],
  ["of no time", page({ ...summary, end_time: from })],
  [
    "of two windows where one was asked for",
    page(summary, { ...summary, end_time: from + 2 * hour }),
    "hour",
  ],
  ["twice for one hour", page(summary, { ...summary, aggregated_value: 7 }), "hour"],
  ["twice where nothing is grouped", page(summary, summary)],
  ["of half hours where hours were asked for", page({ ...summary, end_time: from + hour / 2 }), "hour"],
  ["with more behind them", { ...page(summary), has_more: true }],
  ["without a value", page({ ...summary, aggregated_value: null })],
  ["whose value is a text", page({ ...summary, aggregated_value: "5" })],
  ["of another object", page({ ...summary, object: "billing.meter_event" })],
  ["that are no list", { object: "list", has_more: false, data: summary }],
];

for (const [what, body, grouping] of foreign) {
  test(`sums ${what} are an answer of others, and say nothing`, async () => {
    const failure = await read(body, grouping).catch((error: unknown) => error);
    expect(foreignAnswerOf(failure)).toMatchObject({ httpStatus: 200 });
  });
}
