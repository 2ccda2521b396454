import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { expect } from "vitest";
import { openDatabase } from "../database/pool.ts";
import { silentLog } from "../log.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import {
  addBacklog,
  answered,
  batch,
  meter,
  rowsPerEventMax,
  takeAndSettle,
  turns,
} from "../testing/fixtures/backlog-fixture.ts";
import { beginAttempts } from "./begin-attempts.ts";
import { deliver } from "./deliver.ts";
import { listTakenElsewhere } from "./jobs-under-way.ts";
import { settleAttempts } from "./settle.ts";

const leaseSeconds = 45;
/** Postgres plans a statement for its parameters so often before it keeps one plan for all. */
const usesUntilKept = 6;

roadTest.skipIf(localOnly("on a cluster, no plan is kept of what begins and settles attempts")).for([
  { when: "while they were written", isAnalyzedMeanwhile: true },
  { when: "never", isAnalyzedMeanwhile: false },
])(
  "plans that were kept while nothing waited read of 3,000 events, analyzed $when, those that a worker takes and settles",
  async ({ isAnalyzedMeanwhile }, { database: { db, url, pool }, boss }) => {
    const road = openDatabase(
      {
        connectionString: url,
        applicationName: "keeps plans",
        connectionsMax: 1,
        plansByIndex: true,
        keepsPlans: true,
      },
      silentLog,
    );
    // On a slow machine the backlog takes longer than an idle connection lives, and its plans would go with it.
    road.pool.options.idleTimeoutMillis = 0;
    const readRows = async (table: string) => {
      await road.pool.query("select pg_stat_force_next_flush()");
      const { rows } = await pool.query<{ read: number }>(
        `select (select seq_tup_read from pg_stat_user_tables where relid = $1::regclass)::int
           + sum(idx_tup_read)::int as read
         from pg_stat_user_indexes where relid = $1::regclass`,
        [table],
      );
      return rows[0]?.read ?? Number.NaN;
    };
    try {
      await analyzeWhileAllAreTaken({ db: road.db, boss });
      for (let use = 0; use < usesUntilKept; use += 1) await beginAndSettleNothing({ db: road.db, boss });
      await addBacklog({ db, boss }, { isAnalyzedMeanwhile });
      const jobsBefore = await readRows("pgboss.job_common");
      await listTakenElsewhere(road.db, meter, []);
      // The index keeps an entry of each job that was taken before, until the table is vacuumed.
      expect((await readRows("pgboss.job_common")) - jobsBefore).toBeLessThanOrEqual(batch);
      const before = await readRows("metering.meter_events");

      for (let turn = 0; turn < turns; turn += 1) await takeAndSettle({ db: road.db, boss });

      const read = (await readRows("metering.meter_events")) - before;
      expect(read).toBeLessThanOrEqual(rowsPerEventMax * batch * turns);
      const { rows } = await road.pool.query(
        "select (generic_plans >= $1)::boolean as is_kept from pg_prepared_statements where statement like '%/* kept */%'",
        [turns],
      );
      expect(rows).toEqual([{ is_kept: true }, { is_kept: true }, { is_kept: true }]);
    } finally {
      await road.close();
    }
  },
);

/** From then on the planner expects that each job which names a customer is taken, so that any index of jobs seems as good. */
async function analyzeWhileAllAreTaken({ db, boss }: Parameters<typeof takeAndSettle>[0]): Promise<void> {
  await addBacklog({ db, boss }, { of: { meter, customers: batch, eventsOfEach: 1 } });
  await takeAndSettle({ db, boss, whileTaken: () => sql`analyze pgboss.job_common`.execute(db) });
}

/** As a worker does with events that others have settled meanwhile, while no other has any. */
async function beginAndSettleNothing({ db, boss }: Parameters<typeof takeAndSettle>[0]): Promise<void> {
  const keys = Array.from({ length: batch }, () => ({
    organizationId: randomUUID(),
    meterEventId: randomUUID(),
  }));
  expect(await listTakenElsewhere(db, meter, [])).toEqual([]);
  expect(await beginAttempts(db, keys, { leaseSeconds })).toEqual([]);
  const attempts = keys.map((key) => ({
    ...key,
    meter: "temperature_readings" as const,
    quantity: "1",
    eventAt: new Date(),
    stripeCustomerId: "cus_1",
    attempt: 1,
    firstUnknownAt: new Date(),
  }));
  const finished = await Promise.all(attempts.map((attempt) => deliver([{ attempt }], answered)));
  expect((await settleAttempts({ db, boss }, finished.flat())).size).toBe(0);
}
