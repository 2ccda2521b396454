import { expect, test } from "vitest";
import { createBell } from "./bell.ts";

const longMs = 60_000;

test("a wait ends when the bell rings, and the next one waits for the next ring", async () => {
  const bell = createBell();
  const ended: number[] = [];
  const waitOnce = async (name: number) => {
    await bell.wait(longMs, bell.rings());
    ended.push(name);
  };

  const first = waitOnce(1);
  bell.ring();
  await first;
  const second = waitOnce(2);
  await new Promise(setImmediate);
  expect(ended).toEqual([1]);
  bell.ring();
  await second;

  expect(ended).toEqual([1, 2]);
});

test("a ring before the wait ends it at once, and a ring before what the waiter has seen does not", async () => {
  const bell = createBell();
  bell.ring();
  const since = bell.rings();
  bell.ring();

  await bell.wait(longMs, since);

  let hasEnded = false;
  const later = bell.wait(longMs, bell.rings()).then(() => (hasEnded = true));
  await new Promise(setImmediate);
  expect(hasEnded).toBe(false);
  bell.ring();
  await later;
});

test("a wait that nothing ends is over after its time", async () => {
  const bell = createBell();

  await bell.wait(1, bell.rings());

  expect(bell.rings()).toBe(0);
});
