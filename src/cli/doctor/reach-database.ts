import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { describeFailure } from "../describe-failure.ts";
import { readAheadMs } from "./clock-offset.ts";
import { type Finding, ok, problem } from "../../monitoring/checks/finding.ts";

/** `aheadMs`: how far the other side's clock is ahead of ours; undefined when it was not reached or told no time. */
export type Reached = { finding: Finding; aheadMs: number | undefined };

const check = "database";

/** Asks the database for its version and time. */
export async function reachDatabase({ db, now }: { db: Db; now: () => Date }): Promise<Reached> {
  let version = "";
  const readClock = async () => {
    const answer = await sql<{ now: Date; version: string }>`
      select clock_timestamp() as now, current_setting('server_version') as version
    `.execute(db);
    version = answer.rows[0]?.version ?? "";
    return answer.rows[0]?.now;
  };
  try {
    // The first answer includes connecting; the second is as quick as the way to the database.
    await readClock();
    const aheadMs = await readAheadMs(readClock, now);
    return { finding: ok(check, `PostgreSQL ${version} answers`), aheadMs };
  } catch (error) {
    const remedy = "see that it runs, that this machine may reach it, and that DATABASE_URL is right";
    return { finding: problem(check, describeFailure(error), remedy), aheadMs: undefined };
  }
}
