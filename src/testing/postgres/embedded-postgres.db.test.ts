import { Client } from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
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

test("what a terminal is set to for another server does not reach an embedded Postgres", async () => {
  vi.stubEnv("PGSSLMODE", "require");
  vi.stubEnv("PGOPTIONS", "-c default_transaction_read_only=on");
  onTestFinished(() => void vi.unstubAllEnvs());
  const postgres = await startEmbeddedPostgres({ settings: "fast" });
  onTestFinished(postgres.stop);

  expect(await query(postgres.url, "create table made as select 1")).toEqual([]);
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
