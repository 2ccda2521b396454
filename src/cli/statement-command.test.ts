import { expect, test } from "vitest";
import { runWithoutEnvironment } from "../testing/processes/bare-command-line.ts";

test("a period that makes no sense is wrong usage, and all that it may be is told", async () => {
  const { exitCode, told } = await runWithoutEnvironment(["statement", "--period", "nonsense"]);

  expect(exitCode).toBe(2);
  expect(told).toContain("must be current, last, or the start of a period (RFC 3339)");
});
