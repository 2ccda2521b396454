import { sql } from "kysely";
import { readDurabilityFaults } from "../../database/durability.ts";
import type { Db } from "../../database/db.ts";
import { type Finding, ok, problem } from "./finding.ts";

/** Whether the server takes writes, keeps committed rows after a crash, and takes text of any language. */
export async function checkServer(db: Db): Promise<Finding[]> {
  return [await checkWritable(db), await checkDurability(db), await checkEncoding(db)];
}

type Writes = {
  isStandby: boolean;
  isReadOnly: boolean;
  /** `synchronous_standby_names` */
  awaited: string;
  /** Standbys that are connected: that there are some is seen without any right, which they are is not. */
  standbys: number;
};

async function checkWritable(db: Db): Promise<Finding> {
  const { rows } = await sql<Writes>`
    select
      pg_is_in_recovery() as "isStandby", current_setting('transaction_read_only')::boolean as "isReadOnly",
      current_setting('synchronous_standby_names') as awaited,
      (select count(*)::int from pg_stat_replication) as standbys
  `.execute(db);
  const [writes] = rows;
  if (writes === undefined) throw new Error("a select without a table has one row");
  const finding = judgeWrites(writes);
  return finding.state === "ok" ? ((await findFullDisk(db)) ?? finding) : finding;
}

/** 1.3 MiB: tables grow by up to 512 KiB at once. */
const spilledRows = 100_000;
/** Class 53: no room on the disk, or a limit of it. */
const noRoom = /^53/;

/**
 * Tries the disk with a statement that has no memory for its rows, which changes nothing. A full disk answers reads and changes in
 * place for long.
 */
async function findFullDisk(db: Db): Promise<Finding | undefined> {
  try {
    await db.transaction().execute(async (trx) => {
      await sql`set local work_mem = '64kB'`.execute(trx);
      await sql`select count(*) from generate_series(1, ${sql.lit(spilledRows)})`.execute(trx);
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && noRoom.test(String(error.code)))) throw error;
    return problem(
      "writable",
      `its disk takes nothing more: ${error.message}`,
      "make room on the server's disk",
    );
  }
}

/** What the server's state means for writes. */
export function judgeWrites({ isStandby, isReadOnly, awaited, standbys }: Writes): Finding {
  if (isStandby) {
    return problem("writable", "it is a standby", "point DATABASE_URL to the server that was promoted");
  }
  if (isReadOnly) {
    const remedy = "find who set default_transaction_read_only, for the server, the database or the role";
    return problem("writable", "it is read-only", remedy);
  }
  if (awaited !== "" && standbys === 0) {
    const words = `each commit waits for a standby (synchronous_standby_names is ${awaited}), and none is connected`;
    return problem("writable", words, "start the standby, or take it out of synchronous_standby_names");
  }
  return ok("writable", "it takes writes");
}

async function checkEncoding(db: Db): Promise<Finding> {
  const { rows } = await sql<{ encoding: string }>`
    select current_setting('server_encoding') as encoding
  `.execute(db);
  const encoding = rows[0]?.encoding;
  if (encoding === "UTF8") return ok("encoding", "it takes text of any language");
  return problem(
    "encoding",
    `the database is ${encoding}: names and webhook events with letters that it lacks are refused`,
    "move to a database made with encoding UTF8, by pg_dump and pg_restore",
  );
}

async function checkDurability(db: Db): Promise<Finding> {
  const faults = await readDurabilityFaults(db);
  if (faults.length === 0) return ok("durability", "what is committed is on disk");
  return problem(
    "durability",
    faults.join("; "),
    "set them on, in postgresql.conf or where else they were set",
  );
}
