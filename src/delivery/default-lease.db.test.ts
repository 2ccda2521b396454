import { environments } from "../config.ts";
import { workerEnvironment } from "../testing/processes/worker-config.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { addMeterEvent, ago } from "../testing/rows/meter-events.ts";
import { expect } from "vitest";
import { beginAttempts } from "./begin-attempts.ts";
import { leaseSeconds } from "./limits.ts";

test("by default an attempt that was lost with its worker is repeated after 75 seconds, and not before", async ({
  database: { db, url },
}) => {
  const account = { url: "http://127.0.0.1:12111", secretKey: "sk_test_simulator" };
  const { STRIPE_TIMEOUT_MS } = environments.worker.parse(workerEnvironment({ databaseUrl: url, account }));
  const begunBefore = (seconds: number) => {
    const at = ago(seconds * 1_000);
    const attempts = { attempts_started: 1, attempts_finished: 0 };
    return addMeterEvent(db, {
      ...attempts,
      first_attempt_at: at,
      first_unknown_at: at,
      last_attempt_at: at,
    });
  };
  // 15 seconds in hand for a slow machine.
  const running = await begunBefore(60);
  const lost = await begunBefore(76);

  const begun = await beginAttempts(db, [running, lost], { leaseSeconds: leaseSeconds(STRIPE_TIMEOUT_MS) });

  expect(begun).toMatchObject([{ ...lost, attempt: 2 }]);
});
