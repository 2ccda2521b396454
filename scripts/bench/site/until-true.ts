import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Site } from "./site.ts";

const pollMs = 100;

/**
 * Waits until a query returns true in its first column, asking on one connection. Throws after `withinSeconds`, with `what`
 * was waited for.
 */
export async function untilTrue(
  site: Site,
  { url, text, what, withinSeconds }: { url: string; text: string; what: string; withinSeconds: number },
): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const endsAtMs = performance.now() + withinSeconds * 1_000;
  try {
    for (;;) {
      const { rows } = await client.query<[boolean]>({ text, rowMode: "array" });
      if (rows[0]?.[0] === true) return;
      site.signal.throwIfAborted();
      if (performance.now() > endsAtMs) throw new Error(`waited ${withinSeconds} s in vain for ${what}`);
      await sleep(pollMs);
    }
  } finally {
    await client.end();
  }
}
