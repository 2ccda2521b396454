import { setTimeout as pause } from "node:timers/promises";
import { patienceMs } from "./patience.ts";

const askAgainMs = 50;
/** Only a failing test waits this long; a slow machine that also stands still now and then stays far below. */
const usualPatienceMs = 45_000;

export type Patience = {
  /** A name of the condition, for the message when it does not come. */
  what: string;
  withinMs?: number | undefined;
  /** Describes the present state, for the same message. */
  standing?: () => string | Promise<string>;
};

/** Asks until the answer is neither false nor undefined, and returns it; throws when the time is over. */
export async function until<T>(
  ask: () => T | Promise<T>,
  { what, withinMs = usualPatienceMs, standing }: Patience,
): Promise<Exclude<T, false | undefined>> {
  const waitsMs = patienceMs(withinMs);
  const deadline = performance.now() + waitsMs;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>;
    if (performance.now() > deadline) {
      const now = standing === undefined ? "" : `: ${await standing()}`;
      throw new Error(`waited ${waitsMs} ms for ${what}${now}`);
    }
    await pause(askAgainMs);
  }
}
