import { expect, test } from "vitest";
import { readDemoFlags } from "./command-line.ts";

test("without flags the demo stays up", () => {
  expect(readDemoFlags([])).toEqual({ kind: "run", once: false });
});

test("with --once it ends after the bill", () => {
  expect(readDemoFlags(["--once"])).toEqual({ kind: "run", once: true });
});

test("an unknown flag is wrong, whatever else is given", () => {
  expect(readDemoFlags(["--help", "--onec"])).toEqual({ kind: "wrong", argument: "--onec" });
});
