import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { createRequestTurns } from "./request-turns.ts";

test("requests that would make a turn of the event loop long wait for the next, in order", async () => {
  let now = 0;
  const started: number[] = [];
  const inTurn = createRequestTurns(() => now);
  const startRequest = (request: number) =>
    inTurn("a", () => {
      started.push(request);
      now += 3;
    });
  for (const request of [1, 2, 3, 4, 5]) startRequest(request);
  expect(started).toEqual([1, 2]);
  await nextTurn();
  startRequest(6);
  expect(started.length).toBeLessThan(6);
  while (started.length < 6) await nextTurn();
  expect(started).toEqual([1, 2, 3, 4, 5, 6]);
});

test("a caller with many requests that wait makes another one wait for a few of them", async () => {
  let now = 0;
  const started: string[] = [];
  const inTurn = createRequestTurns(() => now);
  const startRequest = (caller: string) =>
    inTurn(caller, () => {
      started.push(caller);
      now += 3;
    });
  for (let request = 0; request < 1_000; request += 1) startRequest("many");
  startRequest("one");
  startRequest("another");

  while (started.length < 8) await nextTurn();
  expect(started).toEqual(expect.arrayContaining(["one", "another"]));
  while (started.length < 1_002) await nextTurn();
  expect(started.filter((caller) => caller === "many")).toHaveLength(1_000);
});
