import { type RawBuilder, sql } from "kysely";
import type pg from "pg";

const mark = "/* kept */";

/**
 * At the beginning of a statement: a connection that keeps plans plans it once. Only for a statement that has one plan
 * whatever the statistics and its parameters say (`isOfKey`): one that was made while a table was empty goes on for minutes.
 * What goes to one shard of a cluster is planned each time: its parameters name the shard, and a plan for all parameters
 * reaches every shard.
 */
export function keptPlan({
  isOneShard = false,
}: { isOneShard?: boolean | undefined } = {}): RawBuilder<unknown> {
  return isOneShard ? sql`` : sql.raw(mark);
}

/** The server has lost a statement, or its result has other columns since a migration. */
const isLost = new Set(["26000", "0A000"]);

type Query = (...args: unknown[]) => unknown;

/**
 * Has this connection plan each statement once that begins with `keptPlan`: the server keeps it under a name, for as long as
 * the connection lives. A statement that the server has lost fails once, and is planned anew at its next use.
 */
export function keepPlans(client: pg.ClientBase): void {
  const plain: Query = client.query.bind(client);
  const names = new Map<string, string>();
  let count = 0;

  function nameOf(text: string): string {
    const known = names.get(text);
    if (known !== undefined) return known;
    count += 1;
    const name = `kept_${count}`;
    names.set(text, name);
    return name;
  }

  const query: Query = (...args) => {
    const [text, values, ...others] = args;
    if (others.length > 0 || typeof text !== "string" || !text.trimStart().startsWith(mark)) {
      return plain(...args);
    }
    return Promise.resolve(plain({ name: nameOf(text), text, values })).catch((error: unknown) => {
      if (error instanceof Error && "code" in error && isLost.has(String(error.code))) names.clear();
      throw error;
    });
  };
  Object.assign(client, { query });
}
