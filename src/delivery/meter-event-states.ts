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
