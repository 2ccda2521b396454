import { expect, test } from "vitest";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { boundByFiles, readFilesMax } from "./open-files.ts";

test.each([
  [1_024, 668, [{ event: "open_files_few", files: 1_024, needed: 10_356, connections: 668 }]],
  [358, 2, [{ event: "open_files_few", files: 358, needed: 10_356, connections: 2 }]],
  [10_356, 10_000, []],
  [undefined, 10_000, []],
])("a process that may open %s files holds %i connections", (filesMax, connections, warnings) => {
  const { log, events } = createRecordingLog();
  expect(boundByFiles({ connectionsMax: 10_000, filesMax }, log)).toBe(connections);
  expect(events).toEqual(warnings);
});

test("a process that may open too few files for a connection says how many it needs", () => {
  const { log } = createRecordingLog();
  expect(() => boundByFiles({ connectionsMax: 10_000, filesMax: 357 }, log)).toThrow(
    "the system lets this process open 357 files, and it needs 358: raise `ulimit -n`",
  );
});

test("the system's limit is a number, or none", () => {
  expect(readFilesMax() ?? 1_024).toBeGreaterThan(100);
});
