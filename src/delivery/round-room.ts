/** Sizes between a power of two and the next. */
const sizes = 8;

/**
 * Rounds a number of jobs down, by a ninth at most, to one of a few sizes: pg-boss writes it into its statement's text, and
 * each text has a plan of its own (`keepPlans`).
 */
export function roundRoom(room: number): number {
  if (room < sizes) return Math.max(0, Math.floor(room));
  const step = 2 ** Math.floor(Math.log2(room)) / sizes;
  return Math.floor(room / step) * step;
}
