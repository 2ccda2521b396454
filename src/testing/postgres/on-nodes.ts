import type { Pool } from "pg";
import { inject } from "vitest";

type NodeAnswer = { node: string; success: boolean; result: string };

/** Runs a statement of at most one row and column where triggers run: on each node of a cluster, with its answers as texts. */
export async function runOnNodes(pool: Pool, statement: string): Promise<string[]> {
  if (inject("testServer").cluster === undefined) {
    const { rows } = await pool.query<unknown[]>({ text: statement, rowMode: "array" });
    return rows.map(([answer]) => String(answer));
  }
  const { rows } = await pool.query<NodeAnswer>(
    "select nodeid::text as node, success, result from run_command_on_workers($1) join pg_dist_node using (nodename, nodeport)",
    [statement],
  );
  const failed = rows.find(({ success }) => !success);
  if (failed !== undefined) throw new Error(`node ${failed.node}: ${failed.result}`);
  return rows.map(({ result }) => result);
}
