import { expect, test } from "vitest";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { readFilesMax, warnOfFewFiles } from "./open-files.ts";

test.each([
  [1_024, [{ event: "open_files_few", files: 1_024, needed: 10_356 }]],
  [10_356, []],
  [undefined, []],
])("a process that may open %s files is warned of as it should", (filesMax, warnings) => {
  const { log, events } = createRecordingLog();
  warnOfFewFiles({ connectionsMax: 10_000, filesMax }, log);
  expect(events).toEqual(warnings);
});

test("the system's limit is a number, or none", () => {
  expect(readFilesMax() ?? 1_024).toBeGreaterThan(100);
});
