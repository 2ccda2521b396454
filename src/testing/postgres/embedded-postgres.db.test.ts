import { Client } from "pg";
import { expect, test } from "vitest";
import { startEmbeddedPostgres } from "./embedded-postgres.ts";

test("an embedded Postgres keeps its port and every committed row through a crash", async () => {
  const postgres = await startEmbeddedPostgres({ settings: "durable" });
  try {
    await query(postgres.url, "create table kept as select 1 as one");

    await postgres.halt("immediate");
    await expect(query(postgres.url, "select 1")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await postgres.resume();

    expect(await query(postgres.url, "select one from kept")).toEqual([{ one: 1 }]);
  } finally {
    await postgres.stop();
  }
});

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
