import type pg from "pg";

/** Statements of one connection whose plans are kept; all further ones are planned each time. */
const plansMax = 200;

/** The server has lost a statement, or its result has other columns since a migration. */
const isLost = new Set(["26000", "0A000"]);

type Query = (...args: unknown[]) => unknown;

/**
 * Has this connection plan each statement with parameters once: the server keeps it under a name, for as long as the
 * connection lives. For connections that send the same few texts again and again. A statement that the server has lost is
 * planned anew at its next use.
 */
export function keepPlans(client: pg.ClientBase): void {
  const plain: Query = client.query.bind(client);
  let names = new Map<string, string>();
  let count = 0;

  function nameOf(text: string): string | undefined {
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
