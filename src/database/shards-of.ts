import { CompiledQuery, type Kysely } from "kysely";
import type { Db } from "./db.ts";
import type { DB } from "./schema.ts";
import { type Ask, createShards, type Shards } from "./shards.ts";

/** The shards that a database knows for all who ask through it; in a transaction they are asked for anew. */
export function shardsOf(db: Db): Shards {
  return db.shards ?? createShards(askThrough(db));
}

/** Asks through Kysely. */
export function askThrough(db: Kysely<DB>): Ask {
  return async <Row extends object>(text: string, values: readonly unknown[]) =>
    (await db.executeQuery<Row>(CompiledQuery.raw(text, [...values]))).rows;
}
