import { asAge, secondsBetween } from "./figures.ts";

/** A time in UTC; the page's script puts the reader's local time on hover. */
export function When({ at, none = "never" }: { at: Date | string | null; none?: string }) {
  if (at === null) return <span class="none">{none}</span>;
  const text = (typeof at === "string" ? at : at.toISOString()).slice(0, 19);
  const iso = typeof at === "string" ? at : at.toISOString();
  return <time datetime={iso}>{`${text.replace("T", " ")} UTC`}</time>;
}

/** How long ago, with the time itself beside it for machines and on hover. */
export function Ago({ at, now }: { at: Date; now: Date }) {
  return <time datetime={at.toISOString()}>{`${asAge(secondsBetween(at, now))} ago`}</time>;
}
