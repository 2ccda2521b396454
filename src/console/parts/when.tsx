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

/** A stretch of time in UTC, as short as it can be told: to the minute where no second is meant, the day once. */
export function Between({ from, to }: { from: Date | string; to: Date | string }) {
  const [start, end] = [isoOf(from), isoOf(to)];
  const digits = [start, end].every((iso) => iso.slice(17, 19) === "00") ? 16 : 19;
  const isOneDay = start.slice(0, 10) === end.slice(0, 10);
  return (
    <span class="between">
      <time datetime={start}>{start.slice(0, digits).replace("T", " ")}</time>{" "}
      <span>
        to <time datetime={end}>{end.slice(isOneDay ? 11 : 0, digits).replace("T", " ")}</time>
      </span>
    </span>
  );
}

function isoOf(at: Date | string): string {
  return typeof at === "string" ? at : at.toISOString();
}
