import Stripe from "stripe";
import { isMissing } from "./answer.ts";
import type { KeyMode } from "./key-mode.ts";

/** Stripe's answer about a customer to a live or test key. */
export type CustomerMode =
  | { kind: "found"; mode: KeyMode }
  /** Stripe's refusal of the id names the other mode. */
  | { kind: "of_the_other_mode" }
  | { kind: "deleted" }
  | { kind: "unknown" };

/** Reads which mode a customer is of. Throws the SDK's error for everything but a missing customer. */
export async function readCustomerMode(stripe: Stripe, customerId: string): Promise<CustomerMode> {
  try {
    const customer = await stripe.customers.retrieve(customerId);
    if (customer.deleted === true) return { kind: "deleted" };
    return { kind: "found", mode: customer.livemode ? "live" : "test" };
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError) || !isMissing(error)) throw error;
    const isOfTheOther = /exists in (live|test) mode/.test(error.message);
    return { kind: isOfTheOther ? "of_the_other_mode" : "unknown" };
  }
}
