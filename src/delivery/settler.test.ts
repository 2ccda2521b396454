import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from "kysely";
import { PgBoss } from "pg-boss";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { DB } from "../database/schema.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { finishedAttempt } from "../testing/rows/finished-attempt.ts";
import { createSettler } from "./settler.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A settler whose database takes no time; tells how many attempts each transaction had. */
function openSettler({ othersWait }: { othersWait: boolean }) {
  const plain = new Kysely<DB>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
  const { log, events } = createRecordingLog();
  const db = Object.assign(plain, { plansByIndex: true as const });
  const boss = new PgBoss("postgres://unused");
  const { settle } = createSettler({ db, boss, log }, { othersWait: () => othersWait });
  return {
    settle: () => settle(finishedAttempt()),
    transactions: () =>
      events.flatMap(({ event, ...fields }) => (event === "attempts_settling" ? [fields["count"]] : [])),
  };
}

/** So many answers, two milliseconds apart. */
async function answerInTurn(settler: ReturnType<typeof openSettler>, count: number): Promise<void> {
  for (let answer = 0; answer < count; answer += 1) {
    void settler.settle();
    await vi.advanceTimersByTimeAsync(2);
  }
}

test("while others wait to be sent, answers that go on coming share a transaction", async () => {
  const settler = openSettler({ othersWait: true });

  await answerInTurn(settler, 12);
  expect(settler.transactions()).toEqual([]);
  await answerInTurn(settler, 12);

  expect(settler.transactions()).toEqual([14]);
});

test("where no others wait, an answer waits for three milliseconds at most: the next event of its customer may go", async () => {
  const settler = openSettler({ othersWait: false });

  await answerInTurn(settler, 6);

  expect(settler.transactions()).toEqual([2, 2, 2]);
});

test("answers wait for no others that do not come, although others wait to be sent", async () => {
  const settler = openSettler({ othersWait: true });

  await answerInTurn(settler, 3);
  await vi.advanceTimersByTimeAsync(4);

  expect(settler.transactions()).toEqual([3]);
});

test("a hundred answers wait for no others", async () => {
  const settler = openSettler({ othersWait: true });

  for (let answer = 0; answer < 100; answer += 1) void settler.settle();
  await vi.advanceTimersByTimeAsync(0);

  expect(settler.transactions()).toEqual([100]);
});
