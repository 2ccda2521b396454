/** A billing meter as the simulator keeps it; every field but the name and the status is fixed at creation. */
export type Meter = {
  id: string;
  eventName: string;
  displayName: string;
  formula: "sum" | "count" | "last";
  customerKey: string;
  valueKey: string;
  /** Of a pre-aggregated meter: only the event received last counts in each window (UTC). */
  windowSeconds: number | undefined;
  createdAt: number;
  updatedAt: number;
  deactivatedAt: number | undefined;
};

export const hourSeconds = 3_600;
export const daySeconds = 86_400;

/** The payload key that names the customer when a meter sets none (API reference, certain). */
export const customerKeyDefault = "stripe_customer_id";

/** The payload key that holds the value when a meter sets none (API reference, certain). */
export const valueKeyDefault = "value";
