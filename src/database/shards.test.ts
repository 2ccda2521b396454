import { expect, test } from "vitest";
import { type Ask, createShards, wholeDatabase } from "./shards.ts";

/** A cluster, or a plain Postgres without shards, that notes what it was asked. */
function createDatabase(shards?: Record<string, string>) {
  const asked: unknown[] = [];
  const ask = (async (text: string, [ids]: readonly (readonly string[])[]) => {
    asked.push(ids ?? "kind");
    if (text.includes("to_regclass")) return [{ is_cluster: shards !== undefined }];
    return (ids ?? []).flatMap((id) =>
      shards?.[id] ? [{ id, shard: shards[id], node: `n${shards[id]}` }] : [],
    );
  }) as Ask;
  return { asked, ask };
}

test("a plain Postgres is one shard, and is asked once what it is", async () => {
  const { asked, ask } = createDatabase();
  const shards = createShards(ask);
  expect(shards.known("a")).toBeUndefined();

  const found = await Promise.all([shards.find(["a"]), shards.find(["b", "c"])]);

  expect(found.map((one) => [...one])).toEqual([
    [["a", wholeDatabase]],
    [
      ["b", wholeDatabase],
      ["c", wholeDatabase],
    ],
  ]);
  expect(shards.known("never asked for")).toBe(wholeDatabase);
  expect(asked).toEqual(["kind"]);
});

test("the shards of one moment are asked for together, and remembered for ten minutes or until they are forgotten", async () => {
  const { asked, ask } = createDatabase({ a: "1", b: "2" });
  let nowMs = 0;
  const shards = createShards(ask, () => nowMs);

  const [of] = await Promise.all([shards.find(["a"]), shards.find(["b"]), shards.find(["a"])]);
  expect(of.get("a")).toEqual({ id: "1", node: "n1" });
  expect(shards.known("b")).toEqual({ id: "2", node: "n2" });
  expect(asked).toEqual(["kind", ["a", "b"]]);

  shards.forget(["a"]);
  await shards.find(["a", "b"]);
  expect(asked.slice(2)).toEqual([["a"]]);
  nowMs = 600_001;
  await shards.find(["a", "b"]);
  expect(asked.slice(3)).toEqual([["a", "b"]]);
});

test("organizations beyond those that are remembered are found, again and again, and none is asked for twice", async () => {
  const ids = ["a", "b", "c", "d"];
  const { asked, ask } = createDatabase({ a: "1", b: "1", c: "1", d: "1" });
  const shards = createShards(ask, () => 0, 2);
  const most = ids.slice(0, -1);
  await shards.find(most);

  for (let times = 0; times < 3; times += 1) expect((await shards.find(ids)).size).toBe(ids.length);

  expect(asked).toEqual(["kind", most, ids.slice(-1)]);
  expect(shards.known("a")).toEqual({ id: "1", node: "n1" });
});

test("those that were asked for before leave room for others", async () => {
  const shards = createShards(createDatabase({ a: "1", b: "1", c: "2" }).ask, () => 0, 2);
  await shards.find(["a", "b"]);
  await shards.find(["c"]);
  expect([shards.known("a"), shards.known("c")]).toEqual([undefined, { id: "2", node: "n2" }]);
});

test("an organization that no node holds is an error, and so is a database that does not answer, until it does", async () => {
  await expect(createShards(createDatabase({}).ask).find(["a"])).rejects.toThrow(
    "no node holds the rows of organization a",
  );

  let isUp = false;
  const { ask } = createDatabase();
  const shards = createShards((text, values) =>
    isUp ? ask(text, values) : Promise.reject(new Error("down")),
  );
  await expect(shards.find(["a"])).rejects.toThrow("down");
  isUp = true;
  expect(await shards.find(["a"])).toEqual(new Map([["a", wholeDatabase]]));
});
