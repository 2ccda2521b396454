import type { Pool } from "pg";
import type { Fence } from "./markdown.ts";

/** Runs SQL blocks in order. */
export async function runStatements(pool: Pool, blocks: readonly Fence[]): Promise<void> {
  for (const { text, line } of blocks) {
    await pool.query(text).catch((cause: unknown) => {
      throw new Error(`line ${line}: ${String(cause)}\n${text}`, { cause });
    });
  }
}

/**
 * Runs the statements that a Python block gives to `execute`, because the tests do not install psycopg: each with the
 * values that the block names. Returns how many there were.
 */
export async function runPythonStatements(
  pool: Pool,
  { text, line }: Fence,
  named: Record<string, unknown>,
): Promise<number> {
  const calls = [...text.matchAll(/\.execute\(\s*("""|")(.*?)\1,\s*\((.*?)\),?\s*\)/gs)];
  for (const [, , statement = "", names = ""] of calls) {
    let place = 0;
    const values = names.split(",").map((name) => {
      const value = named[name.trim()];
      if (value === undefined) throw new Error(`line ${line}: nobody knows ${name}`);
      return value;
    });
    await pool.query(
      statement.replaceAll("%s", () => `$${++place}`),
      values,
    );
  }
  return calls.length;
}
