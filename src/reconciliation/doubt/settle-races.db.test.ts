import { sql } from "kysely";
import { expect } from "vitest";
import { resolveMeterEvent } from "../../delivery/resolve.ts";
import { doubtTest as test } from "../../testing/fixtures/doubt-fixture.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";

const at = hoursAgo(30, 10);

test("an operator who resolves what a sum settles at the same time sends nothing twice", async ({
  books,
  doubt,
  boss,
  database: { db },
}) => {
  const ids: string[] = [];
  for (let n = 0; n < 12; n += 1) ids.push(await doubt.add({ at, quantity: 5, isCounted: false }));
  await doubt.resolve();
  const look = await db.selectFrom("reconciliations").select("id").executeTakeFirstOrThrow();
  const overtaken = "23001";
  const resolve = async (id: string) => {
    const found = { resolution: "not_delivered", reason: "not in Stripe's sums" } as const;
    return (await resolveMeterEvent({ db, boss }, id, found)) === undefined ? overtaken : "done";
  };
  const settle = async (id: string) => {
    const [settled] = await Promise.allSettled([
      sql`
        select from metering.settle_doubt(${books.organizationId}, array[${id}]::uuid[], 'none', null, ${look.id})
      `.execute(db),
    ]);
    return settled.status === "fulfilled" ? "done" : (settled.reason as { code: string }).code;
  };

  const outcomes = await Promise.all(
    ids.map((id, place) =>
      Promise.all(place % 2 === 0 ? [resolve(id), settle(id)] : [settle(id), resolve(id)]),
    ),
  );

  for (const both of outcomes) expect(both.toSorted()).toEqual([overtaken, "done"]);
  const events = await doubt.readAll();
  expect(events.filter(({ state }) => state === "superseded")).toHaveLength(ids.length);
  expect(events.filter(({ state }) => state === "pending")).toHaveLength(ids.length);
});
