import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { hashApiKey, isApiKey, makeApiKey } from "./api-key.ts";

test("a key is mo_ and 32 bytes in base64url, known by its first 11 characters", () => {
  const { key, prefix } = makeApiKey(Buffer.alloc(32, 0xff));
  expect(key).toBe(`mo_${"_".repeat(42)}8`);
  expect(prefix).toBe(key.slice(0, 11));
  expect(isApiKey(key)).toBe(true);
});

test("what is stored is the SHA-256 of the whole key", () => {
  const { key, keyHash } = makeApiKey(randomBytes(32));
  expect(keyHash).toEqual(createHash("sha256").update(key).digest());
  expect(keyHash.toString("base64")).toBe(hashApiKey(key));
  expect(keyHash).toHaveLength(32);
});

test.for(["", "mo_", "mo_short", `xx_${"a".repeat(43)}`, `mo_${"a".repeat(44)}`, `mo_${"a".repeat(42)}!`])(
  "text of another shape is no key: %j",
  (text) => {
    expect(isApiKey(text)).toBe(false);
  },
);
