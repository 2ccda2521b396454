import { expect, test } from "vitest";
import { attemptsPerSlot } from "./limits.ts";
import { createUnderWay, type UnderWay } from "./under-way.ts";

const concurrency = 2;
const never = () => new Promise<never>(() => {});
const onError = (error: unknown) => {
  throw error;
};

function startUnanswered(underWay: UnderWay, events: number): void {
  underWay.start({ events, send: never, settle: never, onError });
}

test("as many single events begin as their leases allow for, and the next ones when a quarter of them is answered", () => {
  const underWay = createUnderWay({ concurrency, eventsPerRequestMax: 1 });
  const begunMax = attemptsPerSlot * concurrency;

  for (let begun = 0; begun < (begunMax * 3) / 4; begun += 1) startUnanswered(underWay, 1);
  expect(underWay.room()).toBeGreaterThanOrEqual(underWay.worthAFetch);
  startUnanswered(underWay, 1);
  expect(underWay.room()).toBeLessThan(underWay.worthAFetch);
  startUnanswered(underWay, 1);
  expect(underWay.room()).toBe(0);
});

// Each waits for the requests before it, and its lease counts them.
test("no more requests begin where each has only one of a hundred events", () => {
  const underWay = createUnderWay({ concurrency, eventsPerRequestMax: 100 });

  for (let begun = 0; begun < attemptsPerSlot * concurrency; begun += 1) startUnanswered(underWay, 1);

  expect(underWay.room()).toBe(0);
});

test("there is always room to fill a request while nothing is under way", () => {
  const underWay = createUnderWay({ concurrency: 1, eventsPerRequestMax: 100 });

  expect(underWay.room()).toBe(100);
});

test("answered events keep their room until so many are not settled", async () => {
  const underWay = createUnderWay({ concurrency, eventsPerRequestMax: 1 });
  const begunMax = attemptsPerSlot * concurrency;
  const answer = () => Promise.resolve();

  for (let turn = 0; turn < 4; turn += 1) {
    expect(underWay.room()).toBe(begunMax);
    for (let begun = 0; begun < begunMax; begun += 1) {
      underWay.start({ events: 1, send: answer, settle: never, onError });
    }
    await new Promise(setImmediate);
  }

  expect(underWay.room()).toBe(0);
});

test("others wait as soon as more requests have begun than are sent at once", () => {
  const underWay = createUnderWay({ concurrency, eventsPerRequestMax: 1 });

  for (let begun = 0; begun < concurrency; begun += 1) startUnanswered(underWay, 1);
  expect(underWay.othersWait()).toBe(false);
  startUnanswered(underWay, 1);
  expect(underWay.othersWait()).toBe(true);
});

test("after an idle time no more events begin than can be sent at once, and more as soon as these are under way", () => {
  const underWay = createUnderWay({ concurrency, eventsPerRequestMax: 1 });

  expect(underWay.roomAfterIdling()).toBe(concurrency);
  for (let begun = 0; begun < concurrency; begun += 1) startUnanswered(underWay, 1);
  expect(underWay.roomAfterIdling()).toBe(attemptsPerSlot * concurrency - concurrency);
});

test("the end of a request tells of room once a fetch is worth it, and not before", async () => {
  let isTold = false;
  const underWay = createUnderWay({
    concurrency: 8,
    eventsPerRequestMax: 1,
    onRoom: () => (isTold = true),
  });
  const answers: (() => void)[] = [];
  const send = () => new Promise<void>((resolve) => void answers.push(resolve));
  for (let begun = 0; begun < attemptsPerSlot * 8; begun += 1) {
    underWay.start({ events: 1, send, settle: () => Promise.resolve(), onError });
  }
  await new Promise(setImmediate);
  const answerNext = async () => {
    answers.shift()?.();
    await new Promise(setImmediate);
  };

  for (let answered = 1; answered < (attemptsPerSlot * 8) / 4; answered += 1) {
    await answerNext();
    expect(isTold).toBe(false);
  }
  await answerNext();

  expect(isTold).toBe(true);
  expect(underWay.room()).toBeGreaterThanOrEqual(underWay.worthAFetch);
});
