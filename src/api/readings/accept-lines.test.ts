import { expect, test } from "vitest";
import { HeldBytes } from "../../http/held-bytes.ts";
import { acceptLines } from "./accept-lines.ts";

const bodies = 10;
const linesPerBody = 2_000;
const readingsPerChunk = 1_000;
/** A body may judge so many lines before it waits for its turn. */
const linesAtOnceMax = 100;
const line = '{"sensor_id":"a","recorded_at":"2020-01-01T00:00:00Z","temperature":1}\n';

/** Judges lines that are too old, slowly, and tells of each that it was judged. */
async function judgeBody(onJudged: () => void): Promise<number> {
  const limits = {
    get maxAgeDays() {
      const endsAtMs = performance.now() + 0.01;
      while (performance.now() < endsAtMs);
      onJudged();
      return 1;
    },
  };
  const request = new Request("http://x/", { method: "POST", body: line.repeat(linesPerBody) });
  const store = () => Promise.reject(new Error("there is nothing to store"));
  const chunks = acceptLines(
    { now: () => new Date(), limits, store },
    { organizationId: "acme", request, hold: new HeldBytes().begin(), mayStillWrite: async () => {} },
  );
  let rejected = 0;
  for await (const chunk of chunks) rejected += chunk.rejected;
  return rejected;
}

test("of many bodies of lines few have a chunk half judged at a time, and each is judged whole", async () => {
  const judged = Array.from({ length: bodies }, () => 0);
  let halfDoneMax = 0;
  const all = judged.map((_, body) =>
    judgeBody(() => {
      judged[body] = (judged[body] ?? 0) + 1;
      const halfDone = judged.filter((count) => count % readingsPerChunk > linesAtOnceMax);
      halfDoneMax = Math.max(halfDoneMax, halfDone.length);
    }),
  );

  expect(await Promise.all(all)).toEqual(judged.map(() => linesPerBody));
  expect(halfDoneMax).toBeLessThan(bodies / 2);
});
