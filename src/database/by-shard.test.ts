import { expect, test } from "vitest";
import { inParts } from "./by-shard.ts";

const organizations = ["a", "b", "c"].map((organizationId) => ({ organizationId }));
const [a, b, c] = organizations;

test("a shard is asked in parts, which have each of its organizations once", () => {
  expect(inParts({ organizations, isOneShard: true }, 2)).toEqual([
    { organizations: [a, b], isOneShard: true },
    { organizations: [c], isOneShard: true },
  ]);
});

test("what is no shard is asked once, whole", () => {
  const whole = { organizations, isOneShard: false };
  expect(inParts(whole, 2)).toEqual([whole]);
  expect(inParts({ organizations: [] }, 2)).toEqual([{ organizations: [] }]);
});
