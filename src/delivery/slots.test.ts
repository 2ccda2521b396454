import { expect, test } from "vitest";
import { createSlots } from "./slots.ts";

test("no more than the slots run at once, and who waits goes in order", async () => {
  const slots = createSlots(2);
  const events: string[] = [];
  const ends = new Map<string, () => void>();
  const run = (name: string) =>
    slots.run(async () => {
      events.push(`${name} began`);
      await new Promise<void>((resolve) => ends.set(name, resolve));
      return name;
    });
  const works = ["a", "b", "c", "d"].map(run);
  await expect.poll(() => events).toEqual(["a began", "b began"]);

  ends.get("b")?.();
  expect(await works[1]).toBe("b");
  await expect.poll(() => events).toEqual(["a began", "b began", "c began"]);
  ends.get("a")?.();
  ends.get("c")?.();
  await expect.poll(() => events).toHaveLength(4);
  ends.get("d")?.();
  expect(await Promise.all(works)).toEqual(["a", "b", "c", "d"]);
});

test("a work that fails gives its slot back", async () => {
  const slots = createSlots(1);
  await expect(slots.run(() => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
  expect(await slots.run(() => Promise.resolve("next"))).toBe("next");
});
