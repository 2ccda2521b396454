import { inject } from "vitest";

/**
 * Whether a test is to be skipped: on a cluster, because of a reason that lies in the nature of one Postgres. Each reason
 * stands in docs/scale-out.md, too. For `test.skipIf`.
 */
export function localOnly(reason: string): boolean {
  const isSkipped = inject("testServer").cluster !== undefined;
  if (isSkipped) process.stdout.write(`not on a cluster: ${reason}\n`);
  return isSkipped;
}
