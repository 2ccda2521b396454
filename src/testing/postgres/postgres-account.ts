import { chown, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";

export type PostgresAccount = { uid: number; gid: number };

/**
 * The account that an embedded Postgres runs as when we are root, since Postgres refuses to: `postgres`, or `nobody`
 * where that does not exist. Undefined means our own. Creates no account.
 */
export async function findPostgresAccount(): Promise<PostgresAccount | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  const account = ["postgres", "nobody"]
    .map((wanted) => accounts.find(([name]) => name === wanted))
    .find((found) => found !== undefined);
  if (account === undefined)
    throw new Error("Postgres cannot run as root and finds no account postgres or nobody");
  return { uid: Number(account[2]), gid: Number(account[3]) };
}

/** Hands a file or folder to the account that Postgres runs as. */
export async function giveTo(account: PostgresAccount | undefined, path: string): Promise<void> {
  if (account !== undefined) await chown(path, account.uid, account.gid);
}

/** Whether the account that Postgres runs as may pass through every folder above `path` and use `path` itself. */
export async function isOpenTo(account: PostgresAccount | undefined, path: string): Promise<boolean> {
  if (account === undefined) return true;
  const { mode } = await stat(path);
  if ((mode & 0o001) === 0) return false;
  return dirname(path) === path || isOpenTo(account, dirname(path));
}
