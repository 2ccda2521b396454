import { expect, test } from "vitest";
import type { Batch } from "./columns.ts";
import { shareStatements } from "./share-statements.ts";
import { createWaitingBatches } from "./waiting-batches.ts";

const accepted = [{ status: "accepted" }] as const;
const count = (n: number) => Array.from({ length: n }, (_, index) => index);
const batch = (second: number): Batch => ({
  organizationId: "6f2b3f0e-6a53-4c1c-9d0f-2f4d6c6d5a11",
  readings: [
    {
      sensorId: "s",
      recordedAt: `2026-01-01T00:00:${String(second % 60).padStart(2, "0")}.000000Z`,
      temperature: 1,
    },
  ],
  traceparent: undefined,
});

/** Statements that end when the test says so, and what happened, in order. */
function createStatements(statementsMax: number) {
  const told: string[] = [];
  const ends: (() => void)[] = [];
  const store = shareStatements(
    (batches) => {
      told.push(`statement of ${batches.length}`);
      return new Promise((resolve) => ends.push(() => resolve(batches.map(() => [...accepted]))));
    },
    createWaitingBatches({ waitMsMax: Infinity, now: () => 0 }),
    statementsMax,
  );
  const send = (requests: number) =>
    Promise.all(count(requests).map((second) => store(batch(second)).then(() => told.push("answer"))));
  return { told, send, end: (statement: number) => ends[statement]?.() };
}

const turnOfLoop = () => new Promise(setImmediate);

test("few requests begin a statement after the others of their turn", async () => {
  const { told, send, end } = createStatements(2);

  const sent = [send(3), send(28)];
  expect(told).toEqual([]);
  await turnOfLoop();

  expect(told).toEqual(["statement of 31"]);
  end(0);
  await Promise.all(sent);
});

test("each 32 requests begin a statement at once, while one more may be under way", async () => {
  const { told, send, end } = createStatements(2);

  const sent = send(80);

  expect(told).toEqual(["statement of 32", "statement of 32"]);
  await turnOfLoop();
  expect(told).toEqual(["statement of 32", "statement of 32"]);
  for (const statement of [0, 1]) end(statement);
  await expect.poll(() => told.at(-1)).toBe("statement of 16");
  end(2);
  await sent;
});

test("where 32 wait, the next statement begins before the callers of the last one are answered", async () => {
  const { told, send, end } = createStatements(1);
  const first = send(32);
  const second = send(40);

  end(0);
  await first;

  expect(told.slice(0, 2)).toEqual(["statement of 32", "statement of 40"]);
  expect(told.slice(2)).toEqual(count(32).map(() => "answer"));
  end(1);
  await second;
});

test("where fewer wait, the callers are answered first, so that what they send next shares the statement", async () => {
  const { told, send, end } = createStatements(1);
  const first = send(32).then(() => send(1));
  const second = send(10);

  end(0);
  await expect.poll(() => told.at(-1)).toBe("statement of 11");

  expect(told.slice(0, -1)).toEqual(["statement of 32", ...count(32).map(() => "answer")]);
  end(1);
  await Promise.all([first, second]);
});

test("a statement that is alone under way begins when a turn brings no further request, or when 32 wait", async () => {
  const { told, send, end } = createStatements(1);
  const sent = [send(3)];
  for (const requests of [1, 5]) {
    await turnOfLoop();
    sent.push(send(requests));
  }
  expect(told).toEqual([]);
  await expect.poll(() => told).toEqual(["statement of 9"]);
  sent.push(send(3));
  end(0);

  await turnOfLoop();
  sent.push(send(29));

  expect(told.at(-1)).toBe("statement of 32");
  end(1);
  await Promise.all(sent);
});
