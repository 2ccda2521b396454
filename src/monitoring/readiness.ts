import { sql } from "kysely";
import { missingMigrations } from "../migrate/migrations.ts";
import { missingRights, type ProcessKind } from "../database/needed-rights.ts";
import type { Db } from "../database/db.ts";
import { clockFault } from "./clock-fault.ts";
import type { ReadinessCheck } from "./health.ts";

export type ReadinessDeps = {
  /** A connection of its own, so that a probe waits for no request. */
  db: Db;
  /** Ends the connections to a server that may only be read, so that the next look finds the writer. */
  renew: () => void;
  now?: () => Date;
};

type Answer = { now: Date; isReadOnly: boolean; missing: string[] };

/**
 * Whether a process can do its work: the database answers and can be written, its schema is new enough, this process's
 * role has its rights, and the clocks agree. One statement, which reads no table; migrations only go forward, so known
 * ones are not asked for again.
 */
export function createReadinessCheck(
  { db, renew, now = () => new Date() }: ReadinessDeps,
  kind: ProcessKind,
): ReadinessCheck {
  let isSchemaRight = false;

  async function schemaFault(): Promise<string | undefined> {
    if (isSchemaRight) return undefined;
    try {
      const missing = await missingMigrations(db);
      isSchemaRight = missing.length === 0;
      return isSchemaRight ? undefined : `missing migrations: ${missing.join(", ")}`;
    } catch {
      return "unknown";
    }
  }

  return async () => {
    const askedAtMs = now().getTime();
    const answer = await ask(db, kind).catch(() => undefined);
    if (answer === undefined) return { database: "unreachable" };
    if (answer.isReadOnly) {
      renew();
      return { database: "it may only be read" };
    }
    const aheadMs = (askedAtMs + now().getTime()) / 2 - answer.now.getTime();
    return onlyFaults({
      schema: await schemaFault(),
      rights: answer.missing.length === 0 ? undefined : `missing: ${answer.missing.join(", ")}`,
      clock: clockFault(aheadMs),
    });
  };
}

async function ask(db: Db, kind: ProcessKind): Promise<Answer> {
  const { rows } = await sql<Answer>`
    select
      clock_timestamp() as now,
      pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as "isReadOnly",
      ${missingRights(kind, undefined)} as missing
  `.execute(db);
  const [answer] = rows;
  if (answer === undefined) throw new Error("a statement without a row");
  return answer;
}

function onlyFaults(parts: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parts).filter((part): part is [string, string] => part[1] !== undefined),
  );
}
