import {
  type BillingPeriod,
  isBilled,
  type PeriodInvoice,
} from "../../reconciliation/close/billing-periods.ts";

/** What the close gate did with a period's draft, or says of it; undefined: it has said nothing. Pure. */
export function describeGate(
  { gateSaid, heldUntil, finalizesAt }: Pick<PeriodInvoice, "gateSaid" | "heldUntil" | "finalizesAt">,
  { books }: Pick<BillingPeriod, "books">,
): string | undefined {
  switch (gateSaid) {
    case null:
      return undefined;
    case "held": {
      const isOurs = heldUntil !== null && heldUntil.getTime() === finalizesAt?.getTime();
      return isOurs ? "held by the gate" : "was held; somebody has moved it since";
    }
    case "released":
      return "let go by the gate, since its books were equal";
    case "would_hold":
      return books === "equal"
        ? "would have been held; its books are equal now"
        : "would be held: CLOSE_GATE=watch only says so";
    case "refused":
      return "not held: the key may not write invoices";
    case "let_go":
      return "not held any longer: 72 hours after the draft are over";
  }
}

/** The invoice of a period that tells most: a final one, else a draft, else the newest. Pure. */
export function mainInvoice(invoices: readonly PeriodInvoice[]): PeriodInvoice | undefined {
  return invoices.find(isBilled) ?? invoices.find(({ status }) => status === "draft") ?? invoices[0];
}
