import type { PgBoss } from "pg-boss";
import type { Db } from "../../../src/database/db.ts";
import { openDatabase } from "../../../src/database/pool.ts";
import { silentLog } from "../../../src/log.ts";
import { listDueOrganizations } from "../../../src/outbox/due-organizations.ts";
import { sealDueEntries } from "../../../src/outbox/seal.ts";
import { sealSlices } from "../../../src/outbox/seal-slices.ts";
import { createSliceSize } from "../../../src/outbox/slice-size.ts";
import { createBoss } from "../../../src/queue/boss.ts";
import { type MeterName, meterNames } from "../../../src/usage/meters.ts";
import { serveTasks } from "../site/serve-tasks.ts";

let db: Db;
let boss: PgBoss;

/** As many as a transaction of the seal takes. */
const organizationsMax = 2_000;
const entriesMax = 20_000;

async function inSeconds(work: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  await work();
  return (performance.now() - startedAtMs) / 1_000;
}

const tasks = {
  connect: async ({ url }: { url: string }): Promise<void> => {
    // Connections as the worker opens them for the seal.
    const options = { connectionString: url, applicationName: "bench", connectionsMax: 2 };
    ({ db } = openDatabase(options, silentLog));
    boss = createBoss({ databaseUrl: url, role: "api", connectionsMax: 1 }, silentLog);
    await boss.start();
  },
  /** Seals all that is due, as the worker's job does. Returns the seconds. */
  seal: (): Promise<number> => inSeconds(() => sealDueEntries({ db, boss }, { meters: meterNames })),
  /** The same for one meter. */
  sealMeter: ({ meter }: { meter: MeterName }): Promise<number> =>
    inSeconds(() => sealDueEntries({ db, boss }, { meters: [meter] })),
  /** Runs our own statement, over and over, until it finds nothing more. Returns the seconds. */
  runStatement: (): Promise<number> => inSeconds(runStatement),
};

async function runStatement(): Promise<void> {
  const meter = "temperature_readings";
  const cutOff = new Date();
  const size = createSliceSize({ msPerTransaction: 3_600_000 });
  let queue = await listDueOrganizations(db, { meter, cutOff, only: undefined });
  while (queue.length > 0) {
    const organizations = queue.slice(0, organizationsMax);
    const untilMs = Date.now() + 3_600_000;
    const input = {
      meter,
      cutOff,
      organizations,
      slicesEach: size.slicesEach(organizations.length, organizationsMax),
      entriesMax,
      isTraced: false,
      eventsPerShipmentMin: 8,
      untilMs,
    } as const;
    const { turns, unfinished } = await db.transaction().execute((trx) => sealSlices(trx, input));
    queue = [...queue.slice(turns), ...unfinished];
  }
}

export type SealEntriesTasks = typeof tasks;

serveTasks(tasks);
