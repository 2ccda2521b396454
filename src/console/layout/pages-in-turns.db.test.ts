import { expect, onTestFinished } from "vitest";
import { consoleTest as test } from "../../testing/fixtures/console-fixture.ts";

const readers = 20;

test.for(["/console", "/console/road/live", "/console/road/plots", "/console/delivery/live"])(
  "%s is not made for all of many readers in one turn of the event loop",
  async (path, { site }) => {
    const cookie = await site.signIn(site.adminToken);
    const turn = countTurns();

    const asked = Array.from({ length: readers }, async () => {
      const { status } = await site.ask(path, { headers: { cookie } });
      return { status, turn: turn() };
    });

    const answered = await Promise.all(asked);
    expect(answered.filter(({ status }) => status !== 200)).toEqual([]);
    // The socket may hand several answers over in one turn.
    expect(new Set(answered.map((one) => one.turn)).size).toBeGreaterThan(readers / 4);
  },
);

/** Counts the turns of the event loop until the test is over. */
function countTurns(): () => number {
  let turns = 0;
  const count = () => {
    turns += 1;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  onTestFinished(() => clearImmediate(next));
  return () => turns;
}
