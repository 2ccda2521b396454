import type { PgBoss } from "pg-boss";
import type { Db } from "../../database/db.ts";
import { type Breaker, createBreaker } from "../../delivery/breaker.ts";
import { type DeliveryLoop, startDelivery } from "../../delivery/loop.ts";
import { createTokenBucket } from "../../delivery/token-bucket.ts";
import { createSyncTransport } from "../../stripe/sync-transport.ts";
import { createRecordingLog } from "./recording-log.ts";
import { until } from "./until.ts";

/** Of every attempt and job, in seconds. */
export const leaseSeconds = 20;

const loopMeter = "temperature_readings";

type Deps = { db: Db; boss: PgBoss };
type Stripe = { url: string; secretKey: string };

/** Delivery loops, each with a breaker and a bucket of its own, as in a process of its own. */
export function createLoops({ db, boss }: Deps) {
  const { log, events } = createRecordingLog();
  const running: DeliveryLoop[] = [];
  const rounds = new Map<string, number>();
  const roundsOf = (meter: string) => rounds.get(meter) ?? 0;
  const countRounds = (breaker: Breaker): Breaker => ({
    ...breaker,
    permitFor: (meter) => {
      rounds.set(meter, roundsOf(meter) + 1);
      return breaker.permitFor(meter);
    },
  });
  return {
    events,
    start: (
      { url, secretKey }: Stripe,
      {
        concurrency = 20,
        timeoutMs = 5_000,
        idleMs = 500,
        stripeNowMs = (): number | undefined => undefined,
      } = {},
    ): DeliveryLoop => {
      const loop = startDelivery(
        { db, boss, log },
        {
          transport: createSyncTransport({ apiKey: secretKey, apiBase: url, timeoutMs }),
          eventNames: { temperature_readings: "temperature_readings", active_sensors: "active_sensors" },
          now: () => new Date(),
          stripeNowMs,
          concurrency,
          leaseSeconds,
          idleMs,
          backoff: { retryDelay: 1, retryDelayMax: 2 },
          bucket: createTokenBucket(2_000, () => performance.now()),
          breaker: countRounds(createBreaker({ db, log }, { leaseSeconds })),
        },
      );
      running.push(loop);
      return loop;
    },
    stopAll: () => Promise.all(running.map((loop) => loop.stop(5_000))),
    /** Waits until no attempt is under way: then none can pause anything any more. */
    untilSettled: () =>
      until(
        async () => {
          const underWay = await db
            .selectFrom("meter_events")
            .select("id")
            .whereRef("attempts_started", ">", "attempts_finished")
            .execute();
          return underWay.length === 0;
        },
        { what: "every attempt to be settled" },
      ),
    /** Waits until a loop has asked for permission twice more, and so had every chance to send. */
    someRounds: async () => {
      const before = roundsOf(loopMeter);
      await until(() => roundsOf(loopMeter) >= before + 2, { what: "the loop to go round" });
    },
    /** How often loops have asked for permission to send events of this meter. */
    roundsOf,
    statesOf: async (meter = "temperature_readings") => {
      const rows = await db.selectFrom("meter_events").select("state").where("meter", "=", meter).execute();
      return rows.map(({ state }) => state);
    },
    untilDelivered: (withinMs?: number) =>
      until(
        async () => {
          const rows = await db
            .selectFrom("meter_events")
            .select("id")
            .where("state", "=", "pending")
            .execute();
          return rows.length === 0;
        },
        { what: "every event to be delivered", withinMs },
      ),
  };
}
