import type { Simulation } from "../state.ts";

/** The present time of a customer: that of its test clock, or the account's. */
export function nowOf(state: Simulation, customerId: string): number {
  const clock = state.testClocks.get(state.customers.get(customerId)?.testClock ?? "");
  return clock?.frozenTime ?? state.clock.nowSeconds();
}
