import { expect, test } from "vitest";
import { createProgress } from "./progress.ts";

function record({ isTTY }: { isTTY: boolean }) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const output = { isTTY, columns: 20, write: (text: string) => written.push(text) };
  return { written, clock, progress: createProgress(output, () => clock.ms) };
}

test("where nothing can be rewritten, a line is added once a second, and the last one is not lost", () => {
  const { written, clock, progress } = record({ isTTY: false });
  for (const [ms, text] of [
    [0, "one"],
    [400, "two"],
    [1_000, "three"],
    [1_200, "four"],
  ] as const) {
    clock.ms = ms;
    progress.show(text);
  }
  progress.say("done");
  expect(written.join("")).toBe("one\nthree\nfour\ndone\n");
});

test("on a terminal the line is rewritten, and never longer than the terminal is wide", () => {
  const { written, progress } = record({ isTTY: true });
  progress.show("a line that is longer than the terminal");
  progress.show("short");
  expect(written).toEqual(["\r\u001B[2Ka line that is long", "\r\u001B[2Kshort"]);
});
