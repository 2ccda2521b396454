import { expect, test } from "vitest";
import { readBenchFlags } from "./flags.ts";
import { benchNames, longBenches } from "./names.ts";

const short = benchNames.filter((name) => !longBenches.includes(name));

test("without a name all benches run but those that take long", () => {
  expect(readBenchFlags([])).toEqual({
    kind: "run",
    names: short,
    rounds: 5,
    seconds: 3,
    minutes: 20,
    millions: [1, 10, 50],
    form: "",
    seedFolder: undefined,
  });
});

test("with --all those that take long run too", () => {
  expect(readBenchFlags(["--all"])).toMatchObject({ names: benchNames });
});

test("named benches run in the table's order, whatever order they are named in", () => {
  const [first, second] = benchNames;
  expect(readBenchFlags([second, first])).toMatchObject({ names: [first, second] });
});

test("rounds, seconds and minutes may be given", () => {
  expect(readBenchFlags(["--rounds", "2", "--seconds=1", "--minutes=4"])).toMatchObject({
    rounds: 2,
    seconds: 1,
    minutes: 4,
  });
});

test("the forms of drain may be named", () => {
  expect(readBenchFlags(["drain", "--form", "the seal"])).toMatchObject({ form: "the seal" });
});

test("the sizes of growth may be given", () => {
  expect(readBenchFlags(["growth", "--millions", "1,2,20"])).toMatchObject({ millions: [1, 2, 20] });
});

test("a folder may be named that keeps what benches are filled with", () => {
  expect(readBenchFlags(["year", "--seed-folder", "/tmp/seeds"])).toMatchObject({ seedFolder: "/tmp/seeds" });
});

test.each([["--help"], ["-h"]])("%s asks for help", (flag) => {
  expect(readBenchFlags([flag])).toEqual({ kind: "help" });
});

test.each([
  ["intake", "there is no bench intake"],
  ["--fast", "--fast"],
  ["--rounds=0", "--rounds, --seconds and --minutes take a whole number from 1 on"],
  ["--minutes=x", "--rounds, --seconds and --minutes take a whole number from 1 on"],
  ["--seconds=1.5", "--rounds, --seconds and --minutes take a whole number from 1 on"],
  ["--millions=10", "--millions takes two or more ascending whole numbers"],
  ["--millions=10,1", "--millions takes two or more ascending whole numbers"],
  ["--millions=0,1", "--millions takes two or more ascending whole numbers"],
  ["--millions=1,,2", "--millions takes two or more ascending whole numbers"],
  ["--millions=1,81", "--millions takes two or more ascending whole numbers"],
])("%s is wrong", (argument, fault) => {
  expect(readBenchFlags([argument])).toEqual({ kind: "wrong", fault: expect.stringContaining(fault) });
});

test("forms named for a bench that has none are wrong", () => {
  const fault = "--form is for drain and growth";
  expect(readBenchFlags(["seal", "--form", "x"])).toEqual({ kind: "wrong", fault });
  expect(readBenchFlags(["seal", "growth", "--form", "x"])).toMatchObject({ kind: "run", form: "x" });
});
