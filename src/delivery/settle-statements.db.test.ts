import { sql } from "kysely";
import { expect } from "vitest";
import { openDatabase } from "../database/pool.ts";
import { silentLog } from "../log.ts";
import type { StripeAnswer } from "../stripe/answer.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { addDueEvent } from "../testing/rows/meter-events.ts";
import { outcomeOf } from "./outcome.ts";
import { settleAttempts } from "./settle.ts";
import { takeJobs } from "./take-jobs.ts";
import { verdictOf } from "./verdict.ts";

const accepted: StripeAnswer = { kind: "success", httpStatus: 200, requestId: "req_7" };
const silence: StripeAnswer = {
  kind: "no_answer",
  reachedStripe: "no",
  code: "ECONNREFUSED",
  message: "No.",
};

test.skipIf(localOnly("on a cluster each statement is planned in a transaction"))(
  "answers to events that came with a shipment are settled by one statement; to one with a job, and to one that is to be sent again, in a transaction",
  async ({ database: { db: owner, url }, boss }) => {
    const { db, texts, close } = openHeard(url);
    try {
      await db.selectFrom("meters").select("name").execute();
      const settle = async (answer: StripeAnswer, { isShipped }: { isShipped: boolean }) => {
        // The job of an event that came with a shipment stays as it is here.
        await sql`delete from pgboss.job where name like 'deliver-%'`.execute(owner);
        await addDueEvent({ db: owner, boss });
        const { taken } = await takeJobs({ db: owner, boss, log: silentLog }, "temperature_readings", {
          room: 1,
          leaseSeconds: 45,
        });
        const [one] = taken;
        if (one === undefined) throw new Error("there was nothing to take");
        const { attempt, job } = one;
        const verdict = verdictOf(answer);
        const outcome = outcomeOf(verdict, { firstUnknownAt: attempt.firstUnknownAt, now: new Date() });
        const finished = {
          attempt,
          job: isShipped ? undefined : job,
          durationMs: 12,
          answer,
          verdict,
          outcome,
        };
        texts.length = 0;
        expect(await settleAttempts({ db, boss }, [finished])).toEqual(new Set([attempt.meterEventId]));
        return { statements: texts.length, isTransaction: texts.includes("begin") };
      };

      expect(await settle(accepted, { isShipped: true })).toEqual({ statements: 1, isTransaction: false });
      expect(await settle(accepted, { isShipped: false })).toMatchObject({ isTransaction: true });
      expect(await settle(silence, { isShipped: true })).toMatchObject({ isTransaction: true });
    } finally {
      await close();
    }
  },
);

/** A database as a worker opens it, and the texts of all statements that are sent to it. */
function openHeard(url: string) {
  const way = { connectionString: url, applicationName: "heard", connectionsMax: 1, plansByIndex: true };
  const { db, pool, close } = openDatabase(way, silentLog);
  const texts: string[] = [];
  pool.on("connect", (client) => {
    const query: (...args: unknown[]) => unknown = client.query.bind(client);
    Object.assign(client, {
      query: (...args: unknown[]) => {
        texts.push(String(args[0]));
        return query(...args);
      },
    });
  });
  return { db, texts, close };
}
