import { expect, test } from "vitest";
import { readDemoFlags, readDevFlags } from "./command-line.ts";

test("without flags the demo stays up", () => {
  expect(readDemoFlags([])).toEqual({ kind: "run", once: false, faults: false });
});

test("with --once it ends after the bill", () => {
  expect(readDemoFlags(["--once"])).toEqual({ kind: "run", once: true, faults: false });
});

test("with --faults the simulator misbehaves, also in a demo that ends", () => {
  expect(readDemoFlags(["--faults", "--once"])).toEqual({ kind: "run", once: true, faults: true });
});

test("an unknown flag is wrong, whatever else is given", () => {
  expect(readDemoFlags(["--help", "--onec"])).toEqual({ kind: "wrong", argument: "--onec" });
});

test("dev takes no argument but --help", () => {
  expect(readDevFlags([])).toEqual({ kind: "run" });
  expect(readDevFlags(["--help"])).toEqual({ kind: "help" });
  expect(readDevFlags(["--once"])).toEqual({ kind: "wrong", argument: "--once" });
});
