import pg from "pg";
import { controlSimulator } from "./simulator-control.ts";
import { openStripeAccount } from "./stripe-account.ts";
import type { StripeSide } from "./stripe-side.ts";

/** Gives a simulator, which forgets everything when it ends, the meters, and the customers that the database knows. */
export async function furnishSimulator(simulator: StripeSide, databaseUrl: string): Promise<void> {
  await openStripeAccount(simulator);
  const ids = await listCustomers(databaseUrl);
  if (ids.length > 0) await controlSimulator(simulator, "customers", { ids });
}

async function listCustomers(databaseUrl: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl, ssl: false });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string }>(`
      select distinct stripe_customer_id as id
      from metering.customer_links
      where customer_deleted_at is null
    `);
    return rows.map(({ id }) => id);
  } finally {
    await client.end();
  }
}
