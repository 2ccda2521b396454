import { expect, test } from "vitest";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { logConsequences } from "./consequences.ts";

test.for([
  [2, [{ event: "report_samples_unreadable", count: 2, event_id: "evt_1" }]],
  [0, []],
] as const)("of a report with %i unreadable samples the log says so", ([count, told]) => {
  const { log, at } = createRecordingLog();

  logConsequences(log, [{ kind: "rejected", events: [], unreadable: count }], { eventId: "evt_1" });

  expect(at("warn")).toEqual(told);
});
