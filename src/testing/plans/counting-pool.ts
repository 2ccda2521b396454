import pg from "pg";
import { z } from "zod";
import { keepPlans } from "../../database/keep-plans.ts";
import {
  newConnections,
  newConnectionsByIndex,
  newConnectionsOfKeptPlans,
} from "../../database/new-connection.ts";

/** Statistics that are out of date may make an index look as dear as this: the road's statements may not go by it. */
const dearIndexes = "-c random_page_cost=10000";

type Read = { text: string; rows: number };

export type CountedConnections = {
  plansByIndex?: boolean;
  /** As the delivery's own: what is counted is the kept plan itself, as it runs. */
  keepsPlans?: boolean;
  areIndexesDear?: boolean;
};

/**
 * A pool of one connection that counts statements, and the rows which the widest step of each goes through where its text
 * is `about` what is counted.
 */
export function openCountingPool(
  connectionString: string,
  {
    about,
    plansByIndex = false,
    keepsPlans = false,
    areIndexesDear = true,
  }: CountedConnections & { about: RegExp },
): { pool: pg.Pool; rowsRead: Read[]; trips: () => number } {
  const rowsRead: Read[] = [];
  let trips = 0;
  const pool = new pg.Pool({
    connectionString,
    max: 1,
    ...(areIndexesDear && { options: dearIndexes }),
    ...(plansByIndex ? newConnectionsByIndex : newConnections),
    ...(keepsPlans && connectionsTellingPlans),
  });
  const count = ({ text, root }: { text: string; root: Step }) => rowsRead.push({ text, rows: widest(root) });
  pool.on("connect", (client) => {
    if (keepsPlans) keepPlans(client);
    client.on("notice", ({ message = "" }) => {
      const told = readTold(message);
      if (told !== undefined && about.test(told.text)) count(told);
    });
    const plain: (text: string, values?: unknown[]) => Promise<pg.QueryResult> = client.query.bind(client);
    const query = async (text: string, values?: unknown[]) => {
      // The connection's first words have a callback.
      if (typeof values !== "function") trips += 1;
      if (about.test(text) && !keepsPlans) {
        const isOpen = client.getTransactionStatus() === "T";
        await plain(isOpen ? "savepoint before" : "begin");
        const explained = await plain(`explain (analyze, format json) ${text}`, values);
        await plain(isOpen ? "rollback to savepoint before" : "rollback");
        const [row] = explained.rows as { "QUERY PLAN": [{ Plan: Step }] }[];
        if (row !== undefined) count({ text, root: row["QUERY PLAN"][0].Plan });
      }
      return plain(text, values);
    };
    Object.assign(client, { query });
  });
  return { pool, rowsRead, trips: () => trips };
}

/** EXPLAIN plans anew; only the server itself can tell the plan that it has kept. */
const tellPlans = `
  load 'auto_explain';
  set auto_explain.log_min_duration = 0;
  set auto_explain.log_analyze = on;
  set auto_explain.log_format = json;
  set auto_explain.log_level = notice
`;

const connectionsTellingPlans: pg.PoolConfig = {
  ...newConnectionsOfKeptPlans,
  verify: (client, done) => {
    newConnectionsOfKeptPlans.verify(client, (error) => {
      if (error === undefined || error === null) client.query(tellPlans, done);
      else done(error);
    });
  },
};

type Step = {
  "Actual Rows": number;
  "Actual Loops": number;
  "Rows Removed by Filter"?: number | undefined;
  "Rows Removed by Join Filter"?: number | undefined;
  Plans?: Step[] | undefined;
};

const step: z.ZodType<Step> = z.lazy(() =>
  z.object({
    "Actual Rows": z.number(),
    "Actual Loops": z.number(),
    "Rows Removed by Filter": z.number().optional(),
    "Rows Removed by Join Filter": z.number().optional(),
    Plans: z.array(step).optional(),
  }),
);
const toldPlan = z.object({ "Query Text": z.string(), Plan: step });

function readTold(message: string): { text: string; root: Step } | undefined {
  const plan = /^duration: .*plan:\n(\{[\s\S]*\})$/.exec(message)?.[1];
  if (plan === undefined) return undefined;
  const told = toldPlan.parse(JSON.parse(plan));
  return { text: told["Query Text"], root: told.Plan };
}

function widest(root: Step): number {
  const removed = (root["Rows Removed by Filter"] ?? 0) + (root["Rows Removed by Join Filter"] ?? 0);
  const own = (root["Actual Rows"] + removed) * root["Actual Loops"];
  return Math.max(own, ...(root.Plans ?? []).map(widest));
}
