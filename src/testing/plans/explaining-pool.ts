import pg from "pg";
import { shapeOf } from "./plan-shape.ts";
import { outlivesDrop } from "../postgres/outlives-drop.ts";

const ours =
  /^\s*(?:\/\* kept \*\/\s*)?(?=with|select|insert|update)[\s\S]*\b(?:from|join|into|update)\s+metering\./i;
/** A table of so few pages may be read whole. */
const smallPages = 1;

export type ExplainingPool = {
  pool: pg.Pool;
  /** The plans of our statements since the last call. */
  takePlans: () => string[];
};

/**
 * A pool of one connection that writes down the plan of each of our statements, where and as it runs; or, from Postgres 16,
 * the plan that fits all parameters, which a connection keeps (`keepPlans`).
 */
export async function openExplainingPool(
  connectionString: string,
  { areKept = false } = {},
): Promise<ExplainingPool> {
  const pool = new pg.Pool({ connectionString, max: 1 });
  outlivesDrop(pool);
  const client = await pool.connect();
  const small = await client.query<{ name: string }>(
    `select relname as name from pg_class
     where relnamespace = 'metering'::regnamespace and relkind = 'r' and pg_relation_size(oid) <= $1 * 8192`,
    [smallPages],
  );
  const smallTables = new Set(small.rows.map(({ name }) => name));
  const plain: (text: string | pg.QueryConfig, values?: unknown[]) => Promise<pg.QueryResult> =
    client.query.bind(client);
  let plans = new Set<string>();
  const query = async (text: string | pg.QueryConfig, values?: unknown[]) => {
    const config = typeof text === "string" ? { text, values: values ?? [] } : text;
    if (ours.test(config.text)) {
      const explained = areKept
        ? await plain(`explain (format json, generic_plan) ${config.text}`)
        : await plain(`explain (format json) ${config.text}`, config.values ?? []);
      const row: Record<string, unknown> = explained.rows[0] ?? {};
      plans.add(shapeOf(row["QUERY PLAN"], smallTables).join(", "));
    }
    return plain(text, values);
  };
  Object.assign(client, { query });
  client.release();
  return {
    pool,
    takePlans: () => {
      const taken = [...plans].filter((plan) => plan !== "").toSorted();
      plans = new Set();
      return taken;
    },
  };
}
