import { sql } from "kysely";
import type pg from "pg";

/** Statements of one connection whose plans are kept; all further ones are planned each time. */
const plansMax = 200;

/** The server has lost a statement, or its result has other columns since a migration. */
const isLost = new Set(["26000", "0A000"]);

const mark = "/* planned once */";

/**
 * Begins a statement whose plan is the same for all parameters (`acceptance/one-plan.db.test.ts`), and whose planning takes
 * long, as of one that reads many months.
 */
export const plannedOnce = sql.raw(mark);

type Query = (...args: unknown[]) => unknown;

/**
 * Has this connection plan statements with parameters once, all or those that begin with `plannedOnce`: the server keeps
 * each under a name, for as long as the connection lives. For texts that are sent again and again. A statement that the
 * server has lost is planned anew at its next use.
 */
export function keepPlans(client: pg.ClientBase, which: "all" | "marked"): void {
  const plain: Query = client.query.bind(client);
  let names = new Map<string, string>();
  let count = 0;

  function nameOf(text: string): string | undefined {
    if (which === "marked" && !text.trimStart().startsWith(mark)) return undefined;
    const known = names.get(text);
    if (known !== undefined || names.size >= plansMax) return known;
    count += 1;
    const name = `kept_${count}`;
    names.set(text, name);
    return name;
  }

  const query: Query = (...args) => {
    const [text, values] = args;
    if (args.length > 2 || typeof text !== "string" || !Array.isArray(values) || values.length === 0) {
      return plain(...args);
    }
    const name = nameOf(text);
    if (name === undefined) return plain(text, values);
    return Promise.resolve(plain({ name, text, values })).catch((error: unknown) => {
      if (error instanceof Error && "code" in error && isLost.has(String(error.code))) names = new Map();
      throw error;
    });
  };
  Object.assign(client, { query });
}
