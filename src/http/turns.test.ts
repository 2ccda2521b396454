import { setImmediate as nextLoop } from "node:timers/promises";
import { expect, test } from "vitest";
import { createTurns, nextTurn, nextTurnOfPages } from "./turns.ts";

test("of all long work one piece is done in a turn of the event loop", async () => {
  let now = 0;
  const done: number[] = [];
  const works = [1, 2, 3].map(async (work) => {
    const takeTurns = createTurns(() => now);
    now += 10;
    await takeTurns();
    done.push(work);
  });
  expect(done).toEqual([]);
  for (let turn = 1; turn <= works.length; turn += 1) {
    await nextLoop();
    expect(done.length).toBeLessThanOrEqual(turn);
  }
  await Promise.all(works);
  expect(done).toEqual([1, 2, 3]);
});

test("short work goes on at once", async () => {
  const takeTurns = createTurns(() => 0);
  const waited = takeTurns().then(() => "at once");
  expect(await Promise.race([waited, nextLoop("later")])).toBe("at once");
});

test("however many pages wait for a turn, other work waits for one of them at a time", async () => {
  let made = 0;
  const pages = Array.from({ length: 100 }, () => nextTurnOfPages().then(() => (made += 1)));
  for (let piece = 1; piece <= 5; piece += 1) await nextTurn();
  expect(made).toBeLessThanOrEqual(6);

  await Promise.all(pages);
  expect(made).toBe(100);
});
