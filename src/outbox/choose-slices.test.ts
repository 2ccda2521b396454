import { expect, test } from "vitest";
import { chooseSlices, type Stretch } from "./choose-slices.ts";

const organizations = ["a", "b", "c"];

/** Stretches of organizations; each is named by its hour, which is its start, too. */
function stretchesOf(...turns: readonly (readonly (Partial<Stretch> & { hour: string })[])[]): Stretch[] {
  return turns.flatMap((turn, n) =>
    turn.map(({ hour, ...rest }) => ({
      place: n + 1,
      organizationId: organizations[n] ?? "",
      stripeCustomerId: `cus_${organizations[n]}`,
      isBilledElsewhere: false,
      ahead: 0,
      hour,
      startsAt: hour,
      lastAt: `end of ${hour}`,
      lastId: `last of ${hour}`,
      entries: 1,
      isCut: false,
      isOfNextLink: false,
      ...rest,
    })),
  );
}

function choose(found: Stretch[], { slicesEach = 3, isReadWhole = true } = {}) {
  const clock = String(1_800_000_000 * 4_096_000);
  const { slices, turns, unfinished } = chooseSlices(found, {
    clock,
    organizations,
    slicesEach,
    isReadWhole,
  });
  return {
    sealed: slices.map(({ organizationId, hour, inTurn }) => `${organizationId} ${hour} ${inTurn}`),
    ahead: slices.map(({ ahead }) => ahead),
    ids: slices.map(({ meterEventId }) => meterEventId),
    turns,
    unfinished,
  };
}

test("an organization whose entries were all read has all its stretches sealed", () => {
  const found = stretchesOf([{ hour: "1", ahead: 4 }, { hour: "2" }, { hour: "3" }], [{ hour: "7" }]);

  expect(choose(found)).toMatchObject({
    sealed: ["a 1 0", "a 2 1", "a 3 2", "b 7 0"],
    ahead: [4, 5, 6, 0],
    turns: 3,
    unfinished: [],
  });
});

test("the ids of events rise in their order", () => {
  const { ids } = choose(stretchesOf([{ hour: "1" }, { hour: "2" }], [{ hour: "1" }]));

  expect(new Set(ids).size).toBe(3);
  expect(ids.toSorted()).toEqual(ids);
});

test.for([
  {
    what: "as many entries were read as are read at most: the last stretch may go on",
    found: stretchesOf([{ hour: "1" }, { hour: "2", entries: 2 }, { hour: "3" }]),
    sealed: ["a 1 0", "a 2 1"],
    from: "3",
  },
  {
    what: "it has more stretches than a turn has slices",
    found: stretchesOf([{ hour: "1" }, { hour: "2" }, { hour: "3" }, { hour: "4" }]),
    sealed: ["a 1 0", "a 2 1", "a 3 2"],
    from: "4",
  },
  {
    what: "a turn has one slice",
    slicesEach: 1,
    found: stretchesOf([{ hour: "1" }, { hour: "2" }]),
    sealed: ["a 1 0"],
    from: "2",
  },
  {
    what: "its first stretch has more entries than a meter event takes",
    found: stretchesOf([{ hour: "1", isCut: true }, { hour: "2" }]),
    sealed: ["a 1 0"],
    from: "end of 1",
  },
  {
    what: "a further one has",
    found: stretchesOf([{ hour: "1" }, { hour: "2", isCut: true }, { hour: "3" }]),
    sealed: ["a 1 0"],
    from: "2",
  },
  {
    what: "its customer changes",
    found: stretchesOf([{ hour: "1" }, { hour: "2", isOfNextLink: true }, { hour: "3", isOfNextLink: true }]),
    sealed: ["a 1 0"],
    from: "2",
  },
])("an organization has more to seal where $what", ({ found, slicesEach = 3, sealed, from }) => {
  expect(choose(found, { slicesEach })).toMatchObject({
    sealed,
    turns: 3,
    unfinished: [{ organizationId: "a", from, ahead: sealed.length }],
  });
});

test("what another path has billed is ahead of nothing", () => {
  const found = stretchesOf([
    { hour: "1", ahead: 2, isBilledElsewhere: true },
    { hour: "2" },
    { hour: "3" },
    { hour: "4" },
  ]);

  expect(choose(found)).toMatchObject({
    ahead: [2, 2, 3],
    unfinished: [{ from: "4", ahead: 4 }],
  });
});

test("the last organization waits where others left no room to read it whole", () => {
  const found = stretchesOf([{ hour: "1" }], [{ hour: "1" }, { hour: "2" }], [{ hour: "1" }]);

  expect(choose(found, { isReadWhole: false })).toMatchObject({
    sealed: ["a 1 0", "b 1 0", "b 2 1"],
    turns: 2,
    unfinished: [],
  });
});

test("one that fills a transaction alone has all stretches but the last, which may go on", () => {
  const found = stretchesOf([{ hour: "1" }, { hour: "2" }]);

  expect(choose(found, { isReadWhole: false })).toMatchObject({
    sealed: ["a 1 0"],
    turns: 1,
    unfinished: [{ organizationId: "a", from: "2" }],
  });
});

test("where nothing was found, all have had their turn", () => {
  expect(choose([])).toMatchObject({ sealed: [], turns: 3, unfinished: [] });
});
