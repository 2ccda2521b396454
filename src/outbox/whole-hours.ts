/** A span of time; half-open. */
export type Span = { from: Date; to: Date };

const hourMs = 3_600_000;

/** The whole UTC hours of a span, and the pieces of hours at its ends. */
export function wholeHoursOf({ from, to }: Span): { whole: Span; cut: Span[] } {
  const wholeFrom = new Date(Math.min(Math.ceil(from.getTime() / hourMs) * hourMs, to.getTime()));
  const wholeTo = new Date(Math.max(Math.floor(to.getTime() / hourMs) * hourMs, wholeFrom.getTime()));
  const cut = [
    { from, to: wholeFrom },
    { from: wholeTo, to },
  ];
  return { whole: { from: wholeFrom, to: wholeTo }, cut: cut.filter((span) => span.from < span.to) };
}

/** The hour that a moment lies in. */
export function startOfHour(at: Date): Date {
  return new Date(Math.floor(at.getTime() / hourMs) * hourMs);
}
