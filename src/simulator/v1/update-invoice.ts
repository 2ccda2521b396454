import { causeOf, emitUpdate } from "../events/emit.ts";
import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, refuse, resourceMissing } from "../request/errors.ts";
import { booleanField, textField, type Form } from "../request/form.ts";
import { readMetadata } from "../request/metadata.ts";
import type { StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { scheduleFinalization } from "./finalize-due.ts";
import { invoiceObject, type Invoice } from "./invoice.ts";
import { nowOf } from "./customer-time.ts";

const aheadYearsMax = 5;
const finalizesAtField = "automatically_finalizes_at";

type Change = Pick<Invoice, "autoAdvance" | "finalizesAt" | "isFinalizationSet">;

/**
 * `POST /v1/invoices/:id`, as far as the finalization goes: `automatically_finalizes_at` of a draft, up to 5 years ahead,
 * while `auto_advance` is on (docs.stripe.com/invoicing/scheduled-finalization, certain; wording and codes less so).
 */
export function updateInvoice(state: Simulation, request: StripeRequest): Answer {
  const invoice = state.invoices.get(request.id);
  if (invoice === undefined) return resourceMissing("invoice", request.id);
  const change = readChange(state, request.form, invoice);
  if ("status" in change) return change;
  const before = invoiceObject(invoice);
  Object.assign(invoice, change, { metadata: readMetadata(request.form, invoice.metadata) });
  scheduleFinalization(state);
  const object = invoiceObject(invoice);
  const { livemode } = invoice;
  emitUpdate(state, { type: "invoice.updated", object, before, livemode, cause: causeOf(request) });
  return ok(object);
}

/** The refusal of a request for an invoice that is no draft (error codes, certain; wording less so). */
export function notEditable({ id }: Invoice): Answer {
  const message = `The invoice ${id} is no longer a draft, so it can't be changed this way.`;
  return refuse(400, { type: "invalid_request_error", code: "invoice_not_editable", message });
}

function readChange(state: Simulation, form: Form, invoice: Invoice): Change | Answer {
  const wish = textField(form, "auto_advance");
  if (wish !== undefined && booleanField(form, "auto_advance") === undefined) {
    return invalidParameter(`Invalid boolean: ${wish}`, "auto_advance");
  }
  const autoAdvance = booleanField(form, "auto_advance") ?? invoice.autoAdvance;
  const time = form[finalizesAtField];
  if (time !== undefined) return readTime(state, { text: time, autoAdvance }, invoice);
  const { finalizesAt, isFinalizationSet } = invoice;
  if (invoice.status !== "draft" || autoAdvance === invoice.autoAdvance) {
    return { autoAdvance, finalizesAt, isFinalizationSet };
  }
  // Switched off there is no time; switched on again, the grace period counts from now (our guess).
  const fromNow = nowOf(state, invoice.customer) + state.settings.invoice_grace_seconds;
  return { autoAdvance, finalizesAt: autoAdvance ? fromNow : null, isFinalizationSet: false };
}

type Time = { text: string | Form; autoAdvance: boolean };

function readTime(state: Simulation, { text, autoAdvance }: Time, invoice: Invoice): Change | Answer {
  if (invoice.status !== "draft") return notEditable(invoice);
  if (typeof text !== "string" || !/^\d{1,12}$/.test(text)) {
    return invalidParameter(`Invalid integer: ${JSON.stringify(text)}`, finalizesAtField);
  }
  if (!autoAdvance) {
    return invalidParameter(
      `${finalizesAtField} can only be set while auto_advance is true.`,
      finalizesAtField,
    );
  }
  const now = nowOf(state, invoice.customer);
  const finalizesAt = Number(text);
  const latest = new Date(now * 1000);
  latest.setUTCFullYear(latest.getUTCFullYear() + aheadYearsMax);
  // That a time which has passed is refused is our guess.
  if (finalizesAt <= now)
    return invalidParameter(`${finalizesAtField} must be in the future.`, finalizesAtField);
  if (finalizesAt > latest.getTime() / 1000) {
    const message = `${finalizesAtField} must be at most ${aheadYearsMax} years in the future.`;
    return invalidParameter(message, finalizesAtField);
  }
  return { autoAdvance, finalizesAt, isFinalizationSet: true };
}
