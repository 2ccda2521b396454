import { sql } from "kysely";
import type { InvoiceReadDeps } from "../../billing/read-invoice.ts";
import type { Log } from "../../log.ts";
import type { Moved } from "../../stripe/invoices.ts";
import type { Remembered } from "../remembered.ts";
import type { BillingPeriod, PeriodInvoice } from "./billing-periods.ts";
import { type Books, decideGate, type GateDecision, type GateStep } from "./gate-rules.ts";
import { readAgain } from "./read-again.ts";

type GateMode = "off" | "watch" | "hold";

export type GateDeps = InvoiceReadDeps & {
  log: Log;
  gate: { mode: GateMode; marginMinutes: number };
  /** Stripe's time. */
  stripeNowMs: () => number;
  /** Invoices that were read for a period that lacks its own, and customers for whom no subscription bills late usage now. */
  askedInVain: Remembered;
  onGate?: ((step: GateStep) => void) | undefined;
};

type Watched = { period: BillingPeriod; draft: PeriodInvoice; books: Books };
type Move = Exclude<GateDecision, { kind: "leave" | "let_go" }>;

/**
 * Keeps a draft from being finalized over open usage, or lets it go once its books are equal. Watching, it says what it
 * would do. The same decision by two workers sets the same time, and a killed one leaves an invoice that Stripe finalizes
 * by itself.
 */
export async function guardDraft(deps: GateDeps, watched: Watched): Promise<void> {
  const decision = decide(deps, watched);
  switch (decision.kind) {
    case "leave":
      return;
    case "let_go":
      return warnOnce(deps, watched, "let_go");
    case "release":
      return deps.gate.mode === "hold" ? moveFresh(deps, watched) : undefined;
    case "hold":
      return deps.gate.mode === "hold" ? moveFresh(deps, watched) : warnOnce(deps, watched, "would_hold");
  }
}

function decide({ gate, stripeNowMs }: GateDeps, { draft, books }: Watched): GateDecision {
  return decideGate(draft, books, { now: new Date(stripeNowMs()), marginMinutes: gate.marginMinutes });
}

// The stored time may be old: another worker, or a person at Stripe, may have moved it meanwhile.
async function moveFresh(deps: GateDeps, watched: Watched): Promise<void> {
  const { period, draft } = watched;
  const invoice = await readAgain(deps, period, draft.id);
  if (invoice?.status !== "draft") return;
  const fresh = { ...watched, draft: { ...draft, finalizesAt: invoice.finalizesAt } };
  const decision = decide(deps, fresh);
  if (decision.kind === "let_go") return warnOnce(deps, fresh, "let_go");
  if (decision.kind !== "leave") await move(deps, fresh, decision);
}

async function move(deps: GateDeps, watched: Watched, decision: Move): Promise<void> {
  const { db, reads } = deps;
  const { period, draft } = watched;
  const at = decision.kind === "hold" ? decision.until : decision.at;
  const step = decision.kind === "hold" ? "held" : "released";
  // Before the request: should the process die after it, the time is still known as ours.
  if (decision.kind === "hold") {
    await sql`
      update metering.billing_invoices set ${draft.heldSince === null ? sql`held_since = now(),` : sql``} held_until = ${at}
      where organization_id = ${period.organizationId} and invoice_id = ${draft.id}
    `.execute(db);
  }
  const moved = await reads.invoices.finalizeAt(draft.id, at);
  if (moved.kind !== "moved") return tellRefusal(deps, watched, moved);
  await sql`
    update metering.billing_invoices
    set finalizes_at = ${moved.finalizesAt}, read_began_at = statement_timestamp(), gate_said = ${step}
    where organization_id = ${period.organizationId} and invoice_id = ${draft.id} and status = 'draft'
  `.execute(db);
  tellMove(deps, watched, { step, at });
}

function tellMove(
  { log, onGate }: GateDeps,
  watched: Watched,
  { step, at }: { step: "held" | "released"; at: Date },
): void {
  onGate?.(step);
  const fields = { ...fieldsOf(watched), finalizes_at: at.toISOString() };
  if (step === "held") log.warn({ event: "invoice_held", ...fields });
  else log.info({ event: "invoice_released", ...fields });
}

/** A draft that is none any more is read again; that the key may not move it is told once for each time that is set. */
async function tellRefusal(
  deps: GateDeps,
  watched: Watched,
  refusal: Exclude<Moved, { kind: "moved" }>,
): Promise<void> {
  if (refusal.kind === "forbidden") return warnOnce(deps, watched, "refused");
  const { period, draft } = watched;
  deps.onGate?.("refused");
  deps.log.warn({ event: "invoice_not_moved", ...fieldsOf(watched), reason: refusal.detail });
  await readAgain(deps, period, draft.id);
}

/** Says so once for each time that finalization is set to, by whichever worker comes first. */
async function warnOnce(
  { db, log, onGate }: GateDeps,
  watched: Watched,
  step: "would_hold" | "refused" | "let_go",
): Promise<void> {
  const { period, draft } = watched;
  const first = await sql`
    update metering.billing_invoices set warned_for = ${draft.finalizesAt}, gate_said = ${step}
    where organization_id = ${period.organizationId} and invoice_id = ${draft.id}
      and warned_for is distinct from ${draft.finalizesAt}
    returning invoice_id
  `.execute(db);
  if (first.rows.length === 0) return;
  onGate?.(step);
  const fields = fieldsOf(watched);
  switch (step) {
    case "would_hold":
      return log.warn({ event: "invoice_would_be_held", ...fields });
    case "let_go":
      return log.error({ event: "invoice_let_go", ...fields });
    case "refused":
      return log.error({ event: "invoice_not_moved", ...fields, reason: "the key may not write invoices" });
  }
}

function fieldsOf({ period, draft, books }: Watched) {
  return {
    organization_id: period.organizationId,
    invoice_id: draft.id,
    period_start: period.start.toISOString(),
    finalizes_at: draft.finalizesAt?.toISOString() ?? null,
    books,
  };
}
