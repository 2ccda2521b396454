import type { TestProject } from "vitest/node";
import { migrate } from "../../migrate/migrate.ts";
import { silentLog } from "../../log.ts";
import type { ClusterNode } from "./citus-cluster.ts";
import { startClusterSource } from "./cluster-source.ts";
import { type PostgresSource, startPostgresSource } from "./postgres-source.ts";
import { dropServiceRoles, createServiceRoles } from "./service-roles.ts";
import {
  closeTemplate,
  createDatabase,
  dropAllDatabases,
  nameTestServer,
  type TestServer,
  urlOfDatabase,
} from "../net/test-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    testServer: TestServer;
    /** The image that Postgres containers of the run are made of; null where Postgres is no container. */
    postgresImage: string | null;
  }
}

/**
 * Starts the database suite's Postgres, migrates the template that each test's database is a copy of, creates the roles
 * of the API and the worker, and returns a function that undoes all. Reads `TEST_DATABASE_URL`, `TEST_POSTGRES`,
 * `TEST_POSTGRES_IMAGE` and `TEST_DATABASE_BACKEND`.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const write = (line: string) => process.stdout.write(`${line}\n`);
  const { source, server } = await startServer(write);
  async function teardown(): Promise<void> {
    try {
      if (source.source === "url") {
        await dropAllDatabases(server);
        if (server.roles !== undefined) await dropServiceRoles(server.url, server.roles);
      }
    } finally {
      await source.stop();
    }
  }
  try {
    await createDatabase(server, server.template);
    const templateUrl = urlOfDatabase(server.url, server.template);
    const backend = server.cluster === undefined ? "postgres" : "citus";
    await migrate({ databaseUrl: templateUrl, backend, log: silentLog });
    // Copies of the template have its grants, so that no test pays for them.
    if (server.roles !== undefined && !(await createServiceRoles(templateUrl, server.roles))) {
      server.roles = undefined;
      write("postgres: its user may not create roles, so the API and the worker are tested AS THAT USER");
    }
    await closeTemplate(server);
  } catch (error) {
    await teardown();
    throw error;
  }
  project.provide("testServer", server);
  project.provide("postgresImage", source.image ?? null);
  if (source.image === undefined) {
    write("postgres: no container, so what stops, kills and freezes one does NOT run");
  }
  return teardown;
}

type StartedServer = { source: Omit<PostgresSource, "source"> & { source: string }; server: TestServer };

async function startServer(write: (line: string) => void): Promise<StartedServer> {
  const backend = process.env["TEST_DATABASE_BACKEND"] || "postgres";
  if (backend === "postgres") {
    const source = await startPostgresSource(process.env, write);
    return { source, server: nameTestServer(source.url) };
  }
  if (backend !== "citus") throw new Error(`TEST_DATABASE_BACKEND must be postgres or citus, not ${backend}`);
  const { source, coordinator, workers, stop } = await startClusterSource(process.env, write);
  const { url } = coordinator;
  return {
    source: { source, url, stop },
    server: nameTestServer(url, { coordinator: bare(coordinator), workers: workers.map(bare) }),
  };
}

/** Without the functions of a node, which cannot go to the processes of the tests. */
function bare({ url, host, port }: ClusterNode): ClusterNode {
  return { url, host, port };
}
