import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { resumeDelivery } from "../delivery/pauses.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { serviceTest as test } from "../testing/fixtures/service-fixture.ts";
import { untilBilled } from "../testing/stripe/until-billed.ts";
import { until } from "../testing/processes/until.ts";
import { answerWrongly, wrongAnswers } from "../testing/stripe/wrong-answers.ts";
import { patienceMs } from "../testing/processes/patience.ts";

/** `WRONG_ANSWERS_SECONDS` lets the wrong answers last so long; else each is given once at least. */
const wrongMs = Number(process.env["WRONG_ANSWERS_SECONDS"] ?? 0) * 1_000;
const quantity = 3;

async function countIn(db: Db, state: string): Promise<number> {
  return (await db.selectFrom("meter_events").select("id").where("state", "=", state).execute()).length;
}

test(
  "whatever wrong answers a worker gets, everything is billed once, and nothing is delivered before Stripe says so",
  { timeout: patienceMs(180_000 + 2 * wrongMs) },
  async ({ road, account, database: { db }, launch }) => {
    const organizations = await Promise.all(wrongAnswers.map(() => road.join()));
    const at = new Date(Date.now() - 60_000);
    for (const { id } of organizations) await appendEntries(db, id, [{ at, quantity }]);
    const way = await answerWrongly(account.url);
    const environment = {
      STRIPE_API_BASE: way.url,
      STRIPE_TIMEOUT_MS: "1000",
    };
    const worker = launch("worker", environment);
    const startedAtMs = performance.now();

    await until(
      async () => {
        // As an operator does who ends each pause: ten wrong answers in a row begin one.
        await resumeDelivery(db);
        return way.given.size === wrongAnswers.length && performance.now() - startedAtMs >= wrongMs;
      },
      {
        what: "every wrong answer",
        withinMs: 90_000 + wrongMs,
        standing: () => [...way.given.keys()].join(", "),
      },
    );
    expect(await countIn(db, "pending")).toBe(organizations.length);
    const attempts = await db.selectFrom("delivery_attempts").select(["verdict", "http_status"]).execute();
    expect(attempts.filter(({ verdict }) => verdict === "delivered")).toEqual([]);

    way.mend();
    await resumeDelivery(db);
    await untilBilled(db);
    expect(await countIn(db, "delivered")).toBe(organizations.length);
    const counted = account.simulator.meterEvents().map((event) => [event.value, event.times_counted]);
    expect(counted).toEqual(organizations.map(() => [String(quantity), 1]));
    expect(worker.output()).not.toContain("settle_failed");
    expect(await worker.stop()).toBe(0);
    const wrong = [...way.given.values()].reduce((sum, count) => sum + count, 0);
    const shapes = way.given.size;
    process.stdout.write(
      `wrong answers: ${JSON.stringify({ shapes, wrong, wrongMs, billed: counted.length })}\n`,
    );
  },
);
