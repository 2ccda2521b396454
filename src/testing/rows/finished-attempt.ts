import type { FinishedAttempt } from "../../delivery/settle.ts";

/** A first attempt at a meter event, which Stripe took. */
export function finishedAttempt({
  meter = "temperature_readings",
  quantity = "1",
  outcome = { state: "delivered", reason: "accepted" },
}: Partial<
  Pick<FinishedAttempt["attempt"], "meter" | "quantity"> & Pick<FinishedAttempt, "outcome">
> = {}): FinishedAttempt {
  const at = new Date();
  return {
    attempt: {
      organizationId: "01a21432-dccf-7afa-8bac-4a2b01c44f50",
      meterEventId: "01a21432-dccf-7afa-8bac-4a2b01c44f51",
      meter,
      quantity,
      eventAt: at,
      stripeCustomerId: "cus_1",
      attempt: 1,
      firstUnknownAt: at,
    },
    durationMs: 1,
    answer: { kind: "success", httpStatus: 200, requestId: "req_1" },
    verdict: { kind: "delivered", isDuplicate: false },
    outcome,
  };
}
