import { expect, test } from "vitest";
import { runCommandLine } from "./run-command-line.ts";

test("a period that makes no sense is wrong usage, and all that it may be is told", async () => {
  let told = "";
  const unused = () => {
    throw new Error("wrong usage needs no environment");
  };
  const exitCode = await runCommandLine(["statement", "--period", "nonsense"], {
    version: "1.2.3",
    readConfig: unused,
    readStripeConfig: unused,
    now: () => new Date(0),
    writeOut: () => {},
    writeErr: (text) => void (told += text),
  });

  expect(exitCode).toBe(2);
  expect(told).toContain("must be current, last, or the start of a period (RFC 3339)");
});
