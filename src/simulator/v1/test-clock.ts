/** A clock of its own for the customers that are made with it; it stands still until it is advanced. */
export type TestClock = { id: string; name: string | null; createdAt: number; frozenTime: number };

/** A test clock the way API 2026-10-28.endive shows it. Here an advance is over at once, so it is always ready. */
export function testClockObject({ id, name, createdAt, frozenTime }: TestClock) {
  return {
    id,
    object: "test_helpers.test_clock",
    created: createdAt,
    deletes_after: createdAt + 30 * 86_400,
    frozen_time: frozenTime,
    livemode: false,
    name,
    status: "ready",
  };
}
