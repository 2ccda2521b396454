import { expect, test } from "vitest";
import { createSharedRead, withinWait } from "./shared-read.ts";

const limits = { reusedMs: 1_000, reusedPerDuration: 100, reusedMsMax: 10_000 };

/** A read that takes so many milliseconds of a clock that only it moves. */
function createRead(durationMs: number) {
  const clock = { ms: 0, reads: 0, isAway: false };
  const read = async () => {
    clock.ms += durationMs;
    clock.reads += 1;
    if (clock.isAway) throw new Error("away");
    return clock.reads;
  };
  return { clock, shared: createSharedRead(read, limits, () => clock.ms) };
}

test("who asks at the same time, or soon after, shares one read", async () => {
  const { clock, shared } = createRead(1);
  const answers = await Promise.all([shared(), shared(), shared()]);
  clock.ms += 999;
  expect([...answers, await shared()].map(({ value }) => value)).toEqual([1, 1, 1, 1]);
  clock.ms += 1;
  expect((await shared()).value).toBe(2);
});

test("what an action has changed is seen at once, and by the others from then on", async () => {
  const { clock, shared } = createRead(1);
  const before = shared();
  const after = await shared({ fresh: true });
  expect([(await before).value, after.value, (await shared()).value, clock.reads]).toEqual([1, 2, 2, 2]);
});

test("a slow read is not repeated before a hundred times as long as it took", async () => {
  const { clock, shared } = createRead(50);
  await shared();
  clock.ms += 4_999;
  expect((await shared()).value).toBe(1);
  clock.ms += 1;
  expect((await shared()).value).toBe(2);
});

test("a read as old as the limit is repeated, however slow it is", async () => {
  const { clock, shared } = createRead(500);
  await shared();
  clock.ms += 9_999;
  expect((await shared()).value).toBe(1);
  clock.ms += 1;
  expect((await shared()).value).toBe(2);
});

test("when a read fails, what was read before is given again with the failure", async () => {
  const { clock, shared } = createRead(1);
  const before = await shared();
  clock.ms += 1_000;
  clock.isAway = true;
  expect(await shared()).toEqual({ ...before, failure: new Error("away") });
  clock.ms += 1_000;
  clock.isAway = false;
  expect(await shared()).toMatchObject({ value: 3, failure: undefined });
});

test("the first read of all throws when it fails", async () => {
  const { clock, shared } = createRead(1);
  clock.isAway = true;
  await expect(shared()).rejects.toThrow("away");
});

test("who does not wait for a long read gets the result of the one before, and nothing before the first", async () => {
  const reads: PromiseWithResolvers<number>[] = [];
  const read = () => {
    const next = Promise.withResolvers<number>();
    reads.push(next);
    return next.promise;
  };
  const soon = withinWait(
    createSharedRead(read, { ...limits, reusedMs: 0 }, () => 0),
    0,
  );
  expect(await soon()).toBeUndefined();
  reads[0]?.resolve(1);
  await expect.poll(soon).toMatchObject({ value: 1 });
  expect(await soon()).toMatchObject({ value: 1 });
  reads[1]?.resolve(2);
  await expect.poll(soon).toMatchObject({ value: 2 });
});
