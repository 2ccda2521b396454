import pg from "pg";
import { storeReadings } from "../../../src/intake/store-readings.ts";
import { parseRecordedAt } from "../../../src/usage/recorded-at.ts";
import { type LoadPlan, plannedRequest } from "../load/plan.ts";
import { serveTasks } from "../site/serve-tasks.ts";

type Statement = { name: string; text: string; values: unknown[] };

let statements: Statement[] = [];
let clients: pg.Client[] = [];

const tasks = {
  connect: async ({ url, connections }: { url: string; connections: number }): Promise<void> => {
    clients = Array.from({ length: connections }, () => new pg.Client({ connectionString: url }));
    await Promise.all(clients.map((client) => client.connect()));
  },
  /** Makes the parameters of every request of the plan. */
  prepare: async (plan: LoadPlan): Promise<void> => {
    statements = [];
    for (let index = 0; index < plan.requests; index += 1) statements.push(await statementOf(plan, index));
  },
  /** Runs the bare statement once for each request, as fast as the connections allow. Returns the seconds. */
  run: async (): Promise<number> => {
    const startedAtMs = performance.now();
    let next = 0;
    await Promise.all(
      clients.map(async (client) => {
        for (let statement = statements[next]; statement !== undefined; statement = statements[next]) {
          next += 1;
          const { rows } = await client.query<{ index: number | null }>(statement);
          if (rows[0]?.index !== null) throw new Error("the bare statement did not store every reading");
        }
      }),
    );
    return (performance.now() - startedAtMs) / 1_000;
  },
};

export type StoreReadingsTasks = typeof tasks;

serveTasks(tasks);

/** Our own statement, with our own parameters, taken from a client that only writes them down. */
async function statementOf(plan: LoadPlan, index: number): Promise<Statement> {
  const { sender, readings } = plannedRequest(plan, index);
  const written: Statement[] = [];
  const writer = {
    query: async (statement: Statement) => {
      written.push(statement);
      return { rows: [{ inserted: readings.length, index: null }] };
    },
  };
  await storeReadings(
    writer as unknown as pg.ClientBase,
    sender.organizationId,
    readings.map(({ sensorId, recordedAtMs, temperature }) => ({
      sensorId,
      recordedAt: parseRecordedAt(new Date(recordedAtMs).toISOString()).canonical,
      temperature,
    })),
  );
  const [statement] = written;
  if (statement === undefined || written.length > 1) throw new Error("intake is not one statement any more");
  return statement;
}
