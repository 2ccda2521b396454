import { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { createFirstReads } from "./first-reads.ts";

test("of many connections that come at once, those that came last are read first, and a few of the oldest", async () => {
  const letRead = createFirstReads();
  const sockets = Array.from({ length: 250 }, () => new Socket().resume());
  for (const socket of sockets) letRead(socket);
  const readNow = () => sockets.flatMap((socket, place) => (socket.isPaused() ? [] : [place]));
  const places = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);
  await endOfCallback();
  expect(readNow()).toEqual(places(0, 50));

  await nextTurn();
  expect(readNow()).toEqual([...places(0, 60), ...places(210, 250)]);
  const late = new Socket().resume();
  sockets.push(late);
  letRead(late);
  await nextTurn();
  expect(late.isPaused()).toBe(false);
  while (readNow().length < sockets.length) await nextTurn();
});

test("a connection that comes alone is read at once", async () => {
  const letRead = createFirstReads();
  for (let connection = 0; connection < 120; connection += 1) {
    const socket = new Socket().resume();
    letRead(socket);
    await endOfCallback();
    expect(socket.isPaused()).toBe(false);
    await nextTurn();
  }
});

function endOfCallback(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
