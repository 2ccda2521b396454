import { randomBytes } from "node:crypto";
import { Client, escapeIdentifier } from "pg";
import { nameServiceRoles, type ServiceRoles } from "../postgres/service-roles.ts";

/** The server that a test run uses, and the databases on it that are the run's own. */
export type TestServer = {
  /** The URL of a database that exists, with a role that may create databases. */
  url: string;
  /** Begins the name of every database of this run and of no other. */
  prefix: string;
  /** The migrated database that each test's own is a copy of. */
  template: string;
  /** The roles of the API and the worker under test; undefined: the URL's own role, which may not create any. */
  roles: ServiceRoles | undefined;
};

/** Names a run's databases so that two runs on one server never meet. */
export function nameTestServer(url: string): TestServer {
  const prefix = `meter_outbox_test_${randomBytes(5).toString("hex")}_`;
  return { url, prefix, template: `${prefix}template`, roles: nameServiceRoles(prefix) };
}

/** The same server's URL, for another of its databases. */
export function urlOfDatabase(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}

/** Creates a database, empty or as a copy of another that has no sessions. */
export async function createDatabase(server: TestServer, name: string, template?: string): Promise<void> {
  // Copying files takes half as long as the default, which logs every page.
  const copy = template === undefined ? "" : ` template ${escapeIdentifier(template)} strategy file_copy`;
  await runOnServer(server, `create database ${escapeIdentifier(name)}${copy}`);
}

/** Drops a database and ends every session in it. */
export async function dropDatabase(server: TestServer, name: string): Promise<void> {
  await runOnServer(server, `drop database if exists ${escapeIdentifier(name)} with (force)`);
}

/** Drops every database of the run, also those that a killed test left behind. */
export async function dropAllDatabases(server: TestServer): Promise<void> {
  const query = "select datname from pg_database where starts_with(datname, $1)";
  for (const { datname } of await runOnServer(server, query, [server.prefix])) {
    await dropDatabase(server, String(datname));
  }
}

async function runOnServer(
  server: TestServer,
  text: string,
  values: string[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: server.url, application_name: "meter-outbox tests" });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text, values);
    return rows;
  } finally {
    await client.end();
  }
}
