import { type CompiledQuery, Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import type { PgBoss } from "pg-boss";
import type { DB } from "../../../src/database/schema.ts";
import { silentLog } from "../../../src/log.ts";
import { sealDueEntries } from "../../../src/outbox/seal.ts";
import { createBoss } from "../../../src/queue/boss.ts";
import { meterNames } from "../../../src/usage/meters.ts";
import { serveTasks } from "../site/serve-tasks.ts";

let pool: pg.Pool;
let db: Kysely<DB>;
let boss: PgBoss;
/** The statement that folds entries and stamps them, as it was last sent. */
let foldAndStamp: Pick<CompiledQuery, "sql" | "parameters"> | undefined;

const tasks = {
  connect: async ({ url }: { url: string }): Promise<void> => {
    pool = new pg.Pool({ connectionString: url, max: 2 });
    db = new Kysely<DB>({
      dialect: new PostgresDialect({ pool }),
      log: ({ query }) => {
        if (/update metering\.meter_outbox/.test(query.sql)) foldAndStamp = query;
      },
    }).withSchema("metering");
    boss = createBoss({ databaseUrl: url, role: "api", connectionsMax: 1 }, silentLog);
    await boss.start();
  },
  /** Seals all that is due, as the worker's job does. Returns the seconds. */
  seal: async (): Promise<number> => {
    const startedAtMs = performance.now();
    await sealDueEntries({ db, boss }, { meters: meterNames });
    return (performance.now() - startedAtMs) / 1_000;
  },
  /** Runs our own statement on a connection, over and over, until it finds nothing more. Returns the seconds. */
  runStatement: async (): Promise<number> => {
    if (foldAndStamp === undefined) throw new Error("the statement is known only after a seal");
    const cutOff = new Date();
    const text = foldAndStamp.sql;
    const values = foldAndStamp.parameters.map((value) => (value instanceof Date ? cutOff : value));
    const client = await pool.connect();
    try {
      const startedAtMs = performance.now();
      for (let sealed = 1; sealed > 0;) {
        const { rowCount } = await client.query(text, values);
        sealed = rowCount ?? 0;
      }
      return (performance.now() - startedAtMs) / 1_000;
    } finally {
      client.release();
    }
  },
};

export type SealEntriesTasks = typeof tasks;

serveTasks(tasks);
