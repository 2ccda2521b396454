import { expect, test } from "vitest";
import { attemptsPerSlot, leaseSeconds, turnMsMax } from "./limits.ts";

const timeouts = [100, 15_000, 40_000];
const cases = timeouts.flatMap((timeoutMs) => [1, 2].map((requests) => ({ timeoutMs, requests })));

for (const { timeoutMs, requests } of cases) {
  const lease = leaseSeconds(timeoutMs, requests);
  const attemptMs = timeoutMs * requests;

  test(`an attempt of ${requests} × ${timeoutMs} ms gets its turn after all that it waits for have timed out`, () => {
    expect(turnMsMax(lease)).toBeGreaterThan((attemptsPerSlot - 1) * attemptMs);
  });

  test(`an attempt of ${requests} × ${timeoutMs} ms that got its turn last has time to be settled inside its lease`, () => {
    expect(lease * 1_000 - (turnMsMax(lease) + attemptMs)).toBeGreaterThanOrEqual(5_000);
  });
}
