import { expect, test } from "vitest";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { boundByFiles, readFilesMax } from "./open-files.ts";

test.each([
  [1_024, 668, [{ event: "open_files_few", files: 1_024, needed: 10_356, connections: 668 }]],
  [300, 1, [{ event: "open_files_few", files: 300, needed: 10_356, connections: 1 }]],
  [10_356, 10_000, []],
  [undefined, 10_000, []],
])("a process that may open %s files holds %i connections", (filesMax, connections, warnings) => {
  const { log, events } = createRecordingLog();
  expect(boundByFiles({ connectionsMax: 10_000, filesMax }, log)).toBe(connections);
  expect(events).toEqual(warnings);
});

test("the system's limit is a number, or none", () => {
  expect(readFilesMax() ?? 1_024).toBeGreaterThan(100);
});
