import { expect, test, vi } from "vitest";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { thinOut } from "./thin-log.ts";

test("of each kind of 503 one line a second is written, and every one is counted", () => {
  vi.useFakeTimers();
  try {
    const { log: all, events } = createRecordingLog();
    const log = thinOut(all);
    const fail = (code: string) => log.error({ event: "http_request_failed", status: 503, code });

    for (let n = 0; n < 500; n += 1) fail("database_unavailable");
    fail("overloaded");
    expect(events).toHaveLength(2);
    vi.advanceTimersByTime(1_000);
    expect(events).toHaveLength(3);
    for (let n = 0; n < 100; n += 1) fail("database_unavailable");
    vi.advanceTimersByTime(3_000);

    const told = events.filter(({ code }) => code === "database_unavailable");
    expect(told).toHaveLength(3);
    const counted = told.map(({ left_out: leftOut = 0 }) => 1 + Number(leftOut));
    expect(counted.reduce((sum, one) => sum + one)).toBe(600);
  } finally {
    vi.useRealTimers();
  }
});

test("other lines all pass", () => {
  const { log: all, events } = createRecordingLog();
  const log = thinOut(all);
  for (let n = 0; n < 3; n += 1) log.info({ event: "http_request", status: 200 });
  for (let n = 0; n < 3; n += 1)
    log.error({ event: "http_request_failed", status: 500, code: "internal_error" });
  expect(events).toHaveLength(6);
});
