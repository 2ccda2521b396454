import { expect, test } from "vitest";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { until } from "../testing/processes/until.ts";
import { keepTrying } from "./keep-trying.ts";

const readOnly = () => Object.assign(new Error("read-only transaction"), { code: "25006" });

test("what the database refuses for now is tried until it succeeds, and then no more", async () => {
  const { log, events } = createRecordingLog();
  const errors = [readOnly(), readOnly()];
  let succeeded = 0;
  let tries = 0;

  keepTrying({ log }, "the work", async () => {
    tries += 1;
    const error = errors.shift();
    if (error !== undefined) throw error;
    succeeded += 1;
  });

  await until(() => succeeded === 1, { what: "the work to succeed" });
  expect(tries).toBe(3);
  expect(events).toEqual([]);
});

test("an error that does not pass is logged and ends the trying", async () => {
  const { log, events } = createRecordingLog();
  let tries = 0;

  keepTrying({ log }, "the work", async () => {
    tries += 1;
    throw tries === 1 ? readOnly() : new Error("no such table");
  });

  await until(() => events.length > 0, { what: "the end to be logged" });
  expect(tries).toBe(2);
  expect(events).toMatchObject([{ event: "gave_up", what: "the work", error: { message: "no such table" } }]);
});
