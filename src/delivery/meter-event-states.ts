/** Every state of a meter event, in the order of its road. */
export const meterEventStates = [
  "pending",
  "delivered",
  "in_doubt",
  "rejected",
  "expired",
  "superseded",
] as const;

export type MeterEventState = (typeof meterEventStates)[number];

/** On their way: neither an answer of Stripe nor a person has ended them yet. `oldest_undelivered_at` is of their oldest. */
export const undeliveredStates = ["pending", "in_doubt"] as const satisfies readonly MeterEventState[];

/** Their usage can still be sent, by a worker or after an operator's word, until it is too old for Stripe. */
export const sendableStates = [
  ...undeliveredStates,
  "rejected",
] as const satisfies readonly MeterEventState[];

/** One value for each state. */
export function forEachState<T>(make: (state: MeterEventState) => T): Record<MeterEventState, T> {
  return {
    pending: make("pending"),
    delivered: make("delivered"),
    in_doubt: make("in_doubt"),
    rejected: make("rejected"),
    expired: make("expired"),
    superseded: make("superseded"),
  };
}
