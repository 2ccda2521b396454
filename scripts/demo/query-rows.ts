import pg from "pg";

/** Reads rows as the database's owner, on a connection of their own. */
export async function queryRows<Row extends object>(databaseUrl: string, text: string): Promise<Row[]> {
  // Said aloud, or pg would ask the terminal's PGSSLMODE.
  const ssl = false;
  const client = new pg.Client({ connectionString: databaseUrl, ssl, application_name: "meter-outbox demo" });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}
