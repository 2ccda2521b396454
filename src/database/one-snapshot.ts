import { sql } from "kysely";
import type { Db, Trx } from "./db.ts";
import { byIndex, readByIndex } from "./one-plan.ts";
import { isClusterCondition } from "./shards.ts";

/** Lets a read be done; the reads of one `ask` may be done side by side. */
type Read = <T>(work: (trx: Db) => Promise<T>) => Promise<T>;
type Work = (trx: Db) => Promise<void>;

/**
 * Does the reads that `ask` begins with, under `readByIndex`, as of one moment: a row that moves meanwhile is read in one of
 * its places, not in both and not in neither.
 *
 * One transaction lends its snapshot to others, and each of them takes the first read that none has begun: so the reads go on
 * several connections at once where the pool has them. The first transaction waits for reads that have begun, and for no
 * connection: where the pool has none to spare it does all reads, so that callers with the last connections never wait for
 * each other. On a cluster, whose nodes lend no snapshot, it does all reads, too: what lies on one shard is read as of one moment.
 * In an open transaction all reads are done by it, as of the moments that its isolation gives them.
 *
 * @throws the error of a read, or that of the first connection
 */
export async function inOneSnapshot<T>(db: Db, ask: (read: Read) => Promise<T>): Promise<T> {
  const left: Work[] = [];
  const answer = ask(async (work) => {
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof work>>>();
    left.push(async (trx) => {
      try {
        resolve(await work(trx));
      } catch (error) {
        reject(error);
        // The answer has failed, and so does this transaction.
        left.length = 0;
        throw error;
      }
    });
    return promise;
  });
  const done = db.isTransaction ? byIndex(db, (trx) => workOff(trx, left)) : lendSnapshot(db, left);
  const [answered] = await Promise.all([answer, done]);
  return answered;
}

async function workOff(trx: Db, left: Work[]): Promise<void> {
  for (let work = left.shift(); work !== undefined; work = left.shift()) await work(trx);
}

function lendSnapshot(db: Db, left: Work[]): Promise<void> {
  const others = left.length - 1;
  return begin(db, async (trx) => {
    await readByIndex(trx);
    if (others === 0) return workOff(trx, left);
    const lent = await exportSnapshot(trx);
    if (lent === null) return workOff(trx, left);
    const begun: Promise<void>[] = [];
    const help = async (connection: Db) => {
      const first = left.shift();
      if (first === undefined) return;
      const work = begin(connection, async (other) => {
        await sql`set transaction snapshot ${sql.lit(lent)}`.execute(other);
        await readByIndex(other);
        await first(other);
        await workOff(other, left);
      });
      begun.push(work);
      await work;
    };
    const helpers = Array.from({ length: others }, () => db.connection().execute(help));
    // A connection that does not come is not missed, and a read that fails is told by `begun`.
    void Promise.allSettled(helpers);
    await workOff(trx, left);
    await Promise.all(begun);
  });
}

function begin<T>(db: Db, work: (trx: Trx) => Promise<T>): Promise<T> {
  return db.transaction().setIsolationLevel("repeatable read").setAccessMode("read only").execute(work);
}

/** Null on a cluster. */
async function exportSnapshot(trx: Trx): Promise<string | null> {
  const exported = await sql<{ snapshot: string | null }>`
    select case when not (${sql.raw(isClusterCondition)}) then pg_export_snapshot() end as snapshot
  `.execute(trx);
  return exported.rows[0]?.snapshot ?? null;
}
