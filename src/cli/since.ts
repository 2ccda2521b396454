import { instantSchema } from "../http/instant.ts";
import { eventsKeptDays } from "../stripe/list-events.ts";

export type Since = { kind: "since"; at: Date } | { kind: "refused"; reason: string };

const unitMs = new Map([
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/** Reads an RFC 3339 time, or how long ago something was: `90m`, `24h`, `7d`. Stripe has no events older than 30 days. */
export function parseSince(text: string, now: Date): Since {
  const at = instantOf(text, now);
  if (at === undefined) {
    return {
      kind: "refused",
      reason: "must be an RFC 3339 time such as 2026-11-20T10:00:00Z, or 90m, 24h, 7d",
    };
  }
  if (at > now) return { kind: "refused", reason: "lies in the future" };
  if (now.getTime() - at.getTime() > eventsKeptDays * 86_400_000) {
    return { kind: "refused", reason: `lies too far back: Stripe keeps events for ${eventsKeptDays} days` };
  }
  return { kind: "since", at };
}

function instantOf(text: string, now: Date): Date | undefined {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const ms = unitMs.get(unit ?? "");
  return ms === undefined ? instantSchema.safeParse(text).data : new Date(now.getTime() - Number(count) * ms);
}
