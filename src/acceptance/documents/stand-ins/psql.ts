import { parseArgs } from "node:util";
import { Client } from "pg";

// psql for a machine without one: `psql URL -c STATEMENT`, and no other option.

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { command: { type: "string", short: "c" } },
});
const client = new Client(positionals[0]);
await client.connect();
const { rows } = await client.query<Record<string, unknown>>(values.command ?? "");
await client.end();
process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
