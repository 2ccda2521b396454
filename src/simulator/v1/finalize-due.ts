import { noRequest } from "../events/emit.ts";
import { isDelivered } from "../events/stored-event.ts";
import type { Simulation } from "../state.ts";
import { settleInvoice } from "./collect-invoice.ts";
import type { Invoice } from "./invoice.ts";
import { nowOf } from "./customer-time.ts";

/** docs.stripe.com/webhooks, certain: so long an unanswered `invoice.created` can hold a finalization back. */
const holdSecondsMax = 72 * 3_600;
/** A timer cannot wait longer; it then looks again. */
const timerMsMax = 2_147_483_647;
/** How soon a draft is looked at again whose `invoice.created` has not been taken. */
const heldLookMs = 200;

/** Finalizes and collects the drafts whose time has come, of the account's clock and of test clocks. */
export function finalizeDue(state: Simulation): void {
  for (const invoice of state.invoices.values()) {
    if (isDue(state, invoice)) settleInvoice(state, invoice, { isPaid: true, cause: noRequest });
  }
}

/** Sees to it that the next draft is finalized when the clock, if it runs, comes to its time. */
export function scheduleFinalization(state: Simulation): void {
  clearTimeout(state.finalization.timer);
  if (state.finalization.isStopped || state.clock.isFrozen()) return;
  const times = [...state.invoices.values()]
    .filter((invoice) => invoice.status === "draft" && !isOnTestClock(state, invoice))
    .flatMap(({ finalizesAt }) => finalizesAt ?? []);
  if (times.length === 0) return;
  const waitMs = Math.min(...times) * 1000 - state.clock.nowMs();
  state.finalization.timer = setTimeout(
    () => {
      finalizeDue(state);
      scheduleFinalization(state);
    },
    Math.min(Math.max(waitMs, heldLookMs), timerMsMax),
  );
  state.finalization.timer.unref();
}

/** Finalizes nothing by itself any more. */
export function stopFinalization({ finalization }: Simulation): void {
  clearTimeout(finalization.timer);
  finalization.isStopped = true;
}

/**
 * Whether Stripe finalizes the draft now. With the account's grace period it waits until `invoice.created` was taken,
 * 72 hours at most; with a time that a request has set it does not wait (changelog acacia 2024-10-28, certain).
 */
function isDue(state: Simulation, invoice: Invoice): boolean {
  const { status, finalizesAt, createdAt, createdEventId, isFinalizationSet } = invoice;
  const now = nowOf(state, invoice.customer);
  if (status !== "draft" || finalizesAt === null || now < finalizesAt) return false;
  const created = state.events.get(createdEventId ?? "");
  const isTaken = created === undefined || isDelivered(created);
  return isFinalizationSet || isTaken || now >= createdAt + holdSecondsMax;
}

function isOnTestClock(state: Simulation, { customer }: Invoice): boolean {
  return (state.customers.get(customer)?.testClock ?? null) !== null;
}
