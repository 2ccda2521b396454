import pg from "pg";
import { newConnections } from "../../database/new-connection.ts";
import { outlivesDrop } from "../postgres/outlives-drop.ts";

/** Statistics that are out of date may make an index look as dear as this: the road's statements may not go by it. */
const dearIndexes = "-c random_page_cost=10000";

type Read = { text: string; rows: number };

/**
 * A pool of one connection that counts statements, and the rows which the widest step of each goes through where its text
 * is `about` what is counted.
 */
export function openCountingPool(
  connectionString: string,
  {
    about,
    plansByIndex = false,
    areIndexesDear = true,
  }: { about: RegExp; plansByIndex?: boolean; areIndexesDear?: boolean },
): { pool: pg.Pool; rowsRead: Read[]; trips: () => number } {
  const rowsRead: Read[] = [];
  let trips = 0;
  const pool = new pg.Pool({
    connectionString,
    max: 1,
    ...(areIndexesDear && { options: dearIndexes }),
    ...newConnections({ plansByIndex }),
  });
  outlivesDrop(pool);
  pool.on("connect", (client) => {
    const plain: (text: string, values?: unknown[]) => Promise<pg.QueryResult> = client.query.bind(client);
    const query = async (text: string, values?: unknown[]) => {
      // The connection's first words have a callback.
      if (typeof values !== "function") trips += 1;
      if (about.test(text)) {
        const isOpen = client.getTransactionStatus() === "T";
        await plain(isOpen ? "savepoint before" : "begin");
        const explained = await plain(`explain (analyze, format json) ${text}`, values);
        await plain(isOpen ? "rollback to savepoint before" : "rollback");
        const [row] = explained.rows as { "QUERY PLAN": [{ Plan: Step }] }[];
        if (row !== undefined) rowsRead.push({ text, rows: widest(row["QUERY PLAN"][0].Plan) });
      }
      return plain(text, values);
    };
    Object.assign(client, { query });
  });
  return { pool, rowsRead, trips: () => trips };
}

export type Step = {
  "Actual Rows": number;
  "Actual Loops": number;
  "Rows Removed by Filter"?: number;
  "Rows Removed by Join Filter"?: number;
  Plans?: Step[];
};

/** Of a plan that ran: the rows that its widest step went through. */
export function widest(step: Step): number {
  const removed = (step["Rows Removed by Filter"] ?? 0) + (step["Rows Removed by Join Filter"] ?? 0);
  const own = (step["Actual Rows"] + removed) * step["Actual Loops"];
  return Math.max(own, ...(step.Plans ?? []).map(widest));
}
