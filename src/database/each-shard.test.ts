import pg from "pg";
import { expect, test } from "vitest";
import { onEachShard } from "./each-shard.ts";
import type { Shard, Shards } from "./shards.ts";
import { createSilentNodes, type SilentNodes } from "./silent-nodes.ts";

const away = Object.assign(new Error("connection to the remote node failed"), { code: "08006" });
const refused = Object.assign(new Error("a value is out of range"), { code: "22003" });

/** Shards by the organizations' ids. */
function shardsOfIds(places: Record<string, Shard>): Shards {
  return {
    known: (id) => places[id],
    find: (ids) =>
      Promise.resolve(new Map(ids.flatMap((id) => (places[id] === undefined ? [] : [[id, places[id]]])))),
    forget: () => undefined,
  };
}

const shards = shardsOfIds({
  a: { id: "1", node: "first" },
  b: { id: "2", node: "second" },
  c: { id: "3", node: "first" },
});
const items = ["a", "b", "c"].map((organizationId) => ({ organizationId }));

async function runWith(error: Error, failing: readonly string[], silent?: SilentNodes) {
  const asked: string[] = [];
  const result = await onEachShard({ ...shards, ...(silent && { silent }) }, items, {
    keyOf: (item) => item,
    work: async ([item]) => {
      const id = item?.organizationId ?? "";
      asked.push(id);
      if (failing.includes(id)) throw error;
      return id;
    },
  });
  return { asked, ...result };
}

test("a node that cannot be reached is asked once, and each of its shards counts as failed", async () => {
  expect(await runWith(away, ["a", "c"])).toEqual({
    asked: ["a", "b"],
    done: ["b"],
    failed: [{ organizationId: "a" }, { organizationId: "c" }],
    errors: [away, away],
  });
});

test("an error that has to do with the rows of one shard leaves out that shard only", async () => {
  expect(await runWith(refused, ["a"])).toEqual({
    asked: ["a", "b", "c"],
    done: ["b", "c"],
    failed: [{ organizationId: "a" }],
    errors: [refused],
  });
});

test("a node that could not be reached is not asked by another call, until it answers", async () => {
  const answer = Promise.withResolvers<void>();
  const silent = createSilentNodes(() => answer.promise);
  await runWith(away, ["a", "c"], silent);

  expect(await runWith(away, [], silent)).toMatchObject({ asked: ["b"], errors: [away, away] });
  answer.resolve();
  await expect.poll(() => silent.list().size).toBe(0);
  expect(await runWith(away, [], silent)).toMatchObject({ asked: ["a", "b", "c"], errors: [] });
});

test("a lock that is held leaves out its shard only, and is no sign of a silent node", async () => {
  const locked = Object.assign(new pg.DatabaseError("lock timeout", 0, "error"), { code: "55P03" });
  const silent = createSilentNodes(() => new Promise(() => undefined));

  expect(await runWith(locked, ["a"], silent)).toMatchObject({ asked: ["a", "b", "c"], errors: [locked] });
  expect(silent.list().size).toBe(0);
});
