import { setImmediate as nextLoop } from "node:timers/promises";
import { expect, test } from "vitest";
import { createOrganizationTurns } from "./organization-turns.ts";

const bounds = { atOnce: 3, atOnceOfOne: 2, waitMsMax: 5_000 };

/** Requests that begin by these turns, and end when the test says so. */
function createRequests(turns = createOrganizationTurns({ ...bounds, now: () => 0 })) {
  const begun: string[] = [];
  const refused: unknown[] = [];
  const ends: (() => void)[] = [];
  async function begin(name: string): Promise<void> {
    try {
      const end = await turns(name);
      begun.push(name);
      ends.push(end);
    } catch (error) {
      refused.push(error);
    }
  }
  return {
    begun,
    refused,
    ask: async (...organizations: string[]) => {
      for (const name of organizations) void begin(name);
      await nextLoop();
    },
    /** The oldest one that is under way. */
    endOne: async () => {
      ends.shift()?.();
      await nextLoop();
    },
  };
}

test("one organization has a part of the turns, however many others are free", async () => {
  const { begun, ask } = createRequests();

  await ask("a", "a", "a", "a");
  expect(begun).toEqual(["a", "a"]);

  await ask("b", "b");
  expect(begun).toEqual(["a", "a", "b"]);
});

test("organizations take turns, however many requests of one wait", async () => {
  const { begun, ask, endOne } = createRequests();
  await ask(...Array.from({ length: 100 }, () => "a"), "b", "b", "c", "c");

  for (let n = 0; n < 5; n += 1) await endOne();

  expect(begun).toEqual(["a", "a", "b", "a", "b", "c", "a", "c"]);
});

test("a request that has waited too long is refused when its turn comes, and holds up no other", async () => {
  let nowMs = 0;
  const { begun, refused, ask, endOne } = createRequests(
    createOrganizationTurns({ ...bounds, now: () => nowMs }),
  );
  await ask("a", "a", "a", "a");
  nowMs = 5_001;
  await ask("a");

  await endOne();

  expect(begun).toHaveLength(3);
  expect(refused).toMatchObject([{ fields: { code: "overloaded" } }, { fields: { code: "overloaded" } }]);
});

test("an organization whose requests have ended has all its turns again", async () => {
  const { begun, ask, endOne } = createRequests();
  await ask("a", "a");
  await endOne();
  await endOne();

  await ask("a", "a", "a");

  expect(begun).toHaveLength(4);
});
