import { expect, test } from "vitest";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { type RefusalReason, watchWebhooks } from "./webhook-watch.ts";

test("of each reason one refusal a second is told, with how many were left out, and all are counted", () => {
  const { log, events } = createRecordingLog();
  const counted: RefusalReason[] = [];
  let nowMs = 0;
  const watch = watchWebhooks(log, { onRefused: (reason) => counted.push(reason), nowMs: () => nowMs });

  for (const atMs of [0, 10, 20, 1_010]) {
    nowMs = atMs;
    watch.refused("other_secret");
  }
  watch.refused("no_signature");

  expect(events).toEqual([
    expect.objectContaining({ event: "webhook_refused", reason: "other_secret", left_out: 0 }),
    expect.objectContaining({ event: "webhook_refused", reason: "other_secret", left_out: 2 }),
    expect.objectContaining({ event: "webhook_refused", reason: "no_signature", left_out: 0 }),
  ]);
  expect(counted).toHaveLength(5);
});
