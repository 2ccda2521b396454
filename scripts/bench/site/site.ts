import pg from "pg";
import { migrate } from "../../../src/migrate/migrate.ts";
import { silentLog } from "../../../src/log.ts";
import { startEmbeddedPostgres } from "../../../src/testing/postgres/embedded-postgres.ts";
import type { OrphanGuard } from "../../../src/testing/processes/orphan-guard.ts";
import type { Teardown } from "../../process/teardown.ts";

/** The place of a bench: how long it runs, its Postgres, and the end of all that it starts. */
export type Site = {
  rounds: number;
  secondsPerRound: number;
  /** How long the bench of autovacuum watches. */
  minutes: number;
  /** Sizes of the bench of growth. */
  millions: readonly number[];
  /** Words in the name of the forms that are run; empty for all. */
  form: string;
  /** Where Postgres keeps what benches were filled with, for the next run; undefined: nowhere. */
  seedFolder: string | undefined;
  teardown: Teardown;
  guard: OrphanGuard;
  signal: AbortSignal;
  /** Makes a database, empty or a copy, on the one cluster that all contestants share. Returns its URL. */
  createDatabase: (name: string, from?: { template: string }) => Promise<string>;
  /** Of the cluster's own database. */
  postgresUrl: string;
  /** The server's own word. */
  postgresVersion: string;
  postgresPid: number;
};

type SiteOptions = Pick<
  Site,
  | "rounds"
  | "secondsPerRound"
  | "minutes"
  | "millions"
  | "form"
  | "seedFolder"
  | "teardown"
  | "guard"
  | "signal"
>;

/** Starts a Postgres that flushes every commit to disk. */
export async function prepareSite(options: SiteOptions): Promise<Site> {
  const { seedFolder } = options;
  const postgres = await startEmbeddedPostgres({
    settings: "measured",
    ...(seedFolder !== undefined && { folder: seedFolder }),
  });
  options.teardown.add(postgres.stop);
  const [{ fsync, version } = { fsync: "", version: "" }] = await ask<{ fsync: string; version: string }>(
    postgres.url,
    "select current_setting('fsync') as fsync, current_setting('server_version') as version",
  );
  if (fsync !== "on") throw new Error("this Postgres does not flush commits to disk");
  return {
    ...options,
    postgresVersion: version,
    postgresPid: postgres.pid,
    postgresUrl: postgres.url,
    createDatabase: async (name, { template } = { template: "template1" }) => {
      const url = new URL(postgres.url);
      await ask(postgres.url, `drop database if exists ${pg.escapeIdentifier(name)} with (force)`);
      // Files are copied: through the log, a year would be written twice.
      await ask(
        postgres.url,
        `create database ${pg.escapeIdentifier(name)} template ${pg.escapeIdentifier(template)} strategy file_copy`,
      );
      url.pathname = `/${name}`;
      return url.href;
    },
  };
}

/** A database with our schema. Returns its URL. */
export async function createOurDatabase(site: Site, name: string): Promise<string> {
  const databaseUrl = await site.createDatabase(name);
  await migrate({ databaseUrl, log: silentLog });
  return databaseUrl;
}

/** Runs one statement on a connection of its own. */
export async function ask<Row extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** The database's time. */
export async function readClock(url: string): Promise<Date> {
  const [row] = await ask<{ now: Date }>(url, "select now()");
  if (row === undefined) throw new Error("the database has no clock");
  return row.now;
}

/** Begins every round with an equal debt to the disk. */
export async function checkpoint(url: string): Promise<void> {
  await ask(url, "checkpoint");
}
