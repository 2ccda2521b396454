import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Client, escapeIdentifier, escapeLiteral } from "pg";

/** The roles that the API and the worker under test connect as. */
export type ServiceRole = "api" | "worker";
export type ServiceRoles = Record<ServiceRole, { name: string; password: string }>;

const script = new URL("../../../scripts/roles.sql", import.meta.url);
const serviceRoles: readonly ServiceRole[] = ["api", "worker"];
/** `insufficient_privilege` of Postgres. */
const notAllowedCode = "42501";

/** Names roles that no other run on the server has, since roles belong to the whole server. */
export function nameServiceRoles(prefix: string, password?: string): ServiceRoles {
  const named = (role: ServiceRole) => ({
    name: `${prefix}${role}`,
    password: password ?? randomBytes(16).toString("hex"),
  });
  return { api: named("api"), worker: named("worker") };
}

/**
 * Creates the roles, and grants them their rights in the database of this URL. False, and nothing is changed, when the
 * URL's own role may not create roles.
 */
export async function createServiceRoles(databaseUrl: string, roles: ServiceRoles): Promise<boolean> {
  try {
    await grantServiceRoles(databaseUrl, roles);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === notAllowedCode) return false;
    throw error;
  }
  await withClient(databaseUrl, async (client) => {
    for (const { name, password } of Object.values(roles)) {
      await client.query(`alter role ${escapeIdentifier(name)} password ${escapeLiteral(password)}`);
    }
  });
  return true;
}

/** Grants the roles their rights, by the script that operators run, and creates missing roles. */
export async function grantServiceRoles(databaseUrl: string, roles: ServiceRoles): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    for (const role of serviceRoles) {
      await client.query("select set_config($1, $2, false)", [`metering.${role}_role`, roles[role].name]);
    }
    await client.query(await readFile(script, "utf8"));
  });
}

/** Drops the roles; every database with grants to them must be dropped before. */
export async function dropServiceRoles(serverUrl: string, roles: ServiceRoles): Promise<void> {
  await withClient(serverUrl, async (client) => {
    for (const { name } of Object.values(roles)) {
      await client.query(`drop role if exists ${escapeIdentifier(name)}`);
    }
  });
}

/** The same database's URL, for one of the roles. */
export function urlOfRole(databaseUrl: string, { name, password }: ServiceRoles[ServiceRole]): string {
  const url = new URL(databaseUrl);
  url.username = name;
  url.password = password;
  return url.href;
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, application_name: "meter-outbox tests" });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
