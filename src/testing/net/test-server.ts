import { randomBytes } from "node:crypto";
import { Client, escapeIdentifier, Pool } from "pg";
import type { ClusterNode } from "../postgres/citus-cluster.ts";
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
  /** Of a cluster: the coordinator, whose URL the server's is, and the workers. Each of the run's databases is on all. */
  cluster?: { coordinator: ClusterNode; workers: ClusterNode[] };
};

/** `object_in_use` of Postgres, which waits for five seconds before it says so. */
const inUseCode = "55006";
const dropTriesMax = 4;

/** Names a run's databases so that two runs on one server never meet. */
export function nameTestServer(url: string, cluster?: TestServer["cluster"]): TestServer {
  const prefix = `meter_outbox_test_${randomBytes(5).toString("hex")}_`;
  // Nodes of a cluster are clients of each other, in any role, with the password that all of them were started with.
  const password = cluster === undefined ? undefined : decodeURIComponent(new URL(url).password);
  const roles = nameServiceRoles(prefix, password);
  const named = { url, prefix, template: `${prefix}template`, roles };
  return cluster === undefined ? named : { ...named, cluster };
}

/** The same server's URL, for another of its databases. */
export function urlOfDatabase(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}

/** Creates a database, empty or as a copy of another that has no sessions; of a cluster, on each node. */
export async function createDatabase(server: TestServer, name: string, template?: string): Promise<void> {
  // Copying files takes half as long as the default, which logs every page.
  const copy = template === undefined ? "" : ` template ${escapeIdentifier(template)} strategy file_copy`;
  await onEachNode(server, (url) => administer(url, `create database ${escapeIdentifier(name)}${copy}`));
  if (template === undefined && server.cluster !== undefined) await joinNodes(server.cluster, name);
}

/** Lets no session into a cluster's template any more, not even the extension's own: only so it can be copied. */
export async function closeTemplate(server: TestServer): Promise<void> {
  if (server.cluster === undefined) return;
  await onEachNode(server, async (url) => {
    await administer(url, `alter database ${escapeIdentifier(server.template)} allow_connections false`);
    const end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1";
    await administer(url, end, [server.template]);
  });
}

/** Drops a database and ends every session in it. */
export async function dropDatabase(server: TestServer, name: string): Promise<void> {
  const drop = (url: string) =>
    administer(url, `drop database if exists ${escapeIdentifier(name)} with (force)`);
  if (server.cluster === undefined) await drop(server.url);
  else await onEachNode(server, (url) => dropOfNode(url, { name, drop }));
}

/** A node's other nodes, and the extension itself, connect again until no session is let in. */
async function dropOfNode(
  url: string,
  { name, drop }: { name: string; drop: (url: string) => Promise<unknown> },
): Promise<void> {
  const known = await administer(url, "select from pg_database where datname = $1", [name]);
  if (known.length === 0) return;
  await administer(url, `alter database ${escapeIdentifier(name)} allow_connections false`);
  for (let tries = 1; ; tries += 1) {
    try {
      await drop(url);
      return;
    } catch (error) {
      const isInUse = error instanceof Error && "code" in error && error.code === inUseCode;
      if (!isInUse || tries === dropTriesMax) throw error;
    }
  }
}

/** Drops every database of the run, also those that a killed test left behind. */
export async function dropAllDatabases(server: TestServer): Promise<void> {
  const query = "select datname from pg_database where starts_with(datname, $1)";
  for (const { datname } of await administer(server.url, query, [server.prefix])) {
    await dropDatabase(server, String(datname));
  }
}

/** Makes the new databases of this name on all nodes one database of the cluster. */
async function joinNodes(cluster: NonNullable<TestServer["cluster"]>, name: string): Promise<void> {
  const { coordinator, workers } = cluster;
  await Promise.all(
    [coordinator, ...workers].map(({ url }) => runAt(urlOfDatabase(url, name), "create extension citus")),
  );
  const joined = urlOfDatabase(coordinator.url, name);
  await runAt(joined, "select citus_set_coordinator_host($1, $2)", [coordinator.host, coordinator.port]);
  await oneAtATime(coordinator.url, async () => {
    for (const { host, port } of workers) await runAt(joined, "select citus_add_node($1, $2)", [host, port]);
  });
}

/**
 * A node that joins gets all roles of the cluster anew. The roles are the same for all databases, and of two sessions
 * that write one of them at once Postgres refuses the second. The test processes share the lock by the server's own
 * database.
 */
async function oneAtATime(serverUrl: string, work: () => Promise<void>): Promise<void> {
  const lock = new Client({ connectionString: serverUrl, application_name: "meter-outbox tests" });
  await lock.connect();
  try {
    await lock.query("select pg_advisory_lock(hashtext('a node joins'))");
    await work();
  } finally {
    await lock.end();
  }
}

async function onEachNode(server: TestServer, work: (url: string) => Promise<unknown>): Promise<void> {
  const workers = server.cluster?.workers ?? [];
  await Promise.all([server.url, ...workers.map(({ url }) => url)].map(work));
}

/**
 * Connections to the servers' own databases: a test's database is made and dropped by one that stays, as a new one takes as
 * long as the half of that work. They keep no process alive, and one that the server ends is replaced.
 */
const administrators = new Map<string, Pool>();

function administratorOf(url: string): Pool {
  const known = administrators.get(url);
  if (known !== undefined) return known;
  const pool = new Pool({
    connectionString: url,
    application_name: "meter-outbox tests",
    idleTimeoutMillis: 10_000,
    allowExitOnIdle: true,
  });
  // The server was stopped while the connection was idle: the pool has let go of it, and the next statement opens another.
  pool.on("error", () => {});
  administrators.set(url, pool);
  return pool;
}

async function administer(
  url: string,
  text: string,
  values: (string | number)[] = [],
): Promise<Record<string, unknown>[]> {
  const { rows } = await administratorOf(url).query<Record<string, unknown>>(text, values);
  return rows;
}

async function runAt(
  url: string,
  text: string,
  values: (string | number)[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url, application_name: "meter-outbox tests" });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text, values);
    return rows;
  } finally {
    await client.end();
  }
}
