import { inDigits } from "./figures.ts";

/** What was done, told on the page that follows: `did` names it, `n` counts it. Other words than these are not said. */
const told: Record<string, (count: string) => string> = {
  paused: () => "Delivery is paused.",
  resumed: () => "Delivery goes on; what waited is attempted now.",
  retried: (count) => `${count} will be attempted again.`,
  resolved: () => "The doubt is ended.",
  resolved_all: (count) => `The doubt about ${count} is ended.`,
  replayed: () => "The event will be handled again.",
  dismissed: () => "The event is put aside. Replay takes it up again.",
  revoked: () => "The key is revoked; it fails within a second.",
};

export function DoneNotice({ did, count }: { did: string | undefined; count?: string | undefined }) {
  const words = did !== undefined && Object.hasOwn(told, did) ? told[did] : undefined;
  if (words === undefined) return null;
  const number = Number(count ?? 0);
  return (
    <p class="notice good" role="status">
      {words(inDigits(Number.isFinite(number) ? number : 0))}
    </p>
  );
}
