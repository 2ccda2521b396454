import { z } from "@hono/zod-openapi";
import { meterEventStates } from "../../delivery/meter-event-states.ts";
import type { PeriodInvoice } from "../../reconciliation/close/billing-periods.ts";
import type { MeterStatement, Statement } from "../../reconciliation/close/statement.ts";
import { rowKinds } from "../../reconciliation/close/statement-rows.ts";
import { meterNames } from "../../usage/meters.ts";
import { type CsvCell, csvLines } from "../csv.ts";

const instant = z.iso.datetime();
const quantity = z.string().openapi({ description: "a plain decimal", example: "2310" });

const stateSchema = z.strictObject({ count: z.int(), quantity });
const statesSchema = z.strictObject({
  pending: stateSchema,
  delivered: stateSchema,
  in_doubt: stateSchema,
  rejected: stateSchema,
  expired: stateSchema,
  superseded: stateSchema,
});

const rowSchema = z.strictObject({
  kind: z.enum(rowKinds),
  quantity,
  difference: quantity.openapi({ description: "its share of the meter's difference" }),
  hour: instant.nullable(),
  meter_event_id: z.uuid().nullable(),
  of_period: instant
    .nullable()
    .openapi({ description: "of usage that is carried: the period it belongs to" }),
});

const meterSchema = z.strictObject({
  meter: z.enum(meterNames),
  readings: z.int().nullable().openapi({
    description: "readings stored; null: the meter counts none, or retention has dropped some of them",
  }),
  entries: z.int(),
  used: quantity.openapi({ description: "what the entries add up to; of a gauge the last value" }),
  meter_events: statesSchema,
  sent: quantity.openapi({ description: "what is at Stripe by our rows" }),
  stripe: quantity.nullable().openapi({ description: "Stripe's own sum; null: it was never read" }),
  compared: z
    .strictObject({ result: z.enum(["equal", "settling", "different"]), read_at: instant, until: instant })
    .nullable(),
  invoiced: quantity
    .nullable()
    .openapi({ description: "what final invoices bill; null: none is final, or none has a price for it" }),
  difference: quantity.openapi({
    description:
      "what should be billed less what is: on the final invoice, or while it is awaited at Stripe; below zero, too much is",
  }),
  rows: z.array(rowSchema).openapi({ description: "what the difference consists of; they add up to it" }),
});

const invoiceSchema = z.strictObject({
  id: z.string(),
  status: z.string().openapi({ description: "Stripe's own word, or deleted" }),
  stripe_subscription_id: z.string().nullable(),
  created_at: instant,
  finalizes_at: instant.nullable(),
  held_until: instant.nullable(),
  finalized_at: instant.nullable(),
  paid_at: instant.nullable(),
});

/** A statement as the API and the command line show it. */
export const statementSchema = z
  .strictObject({
    organization_id: z.uuid(),
    stripe_customer_id: z.string(),
    stripe_subscription_id: z.string().nullable(),
    period: z.strictObject({ start: instant, end: instant }),
    meters: z.array(meterSchema),
    invoice: invoiceSchema.nullable(),
    other_invoices: z.array(invoiceSchema),
    closed_at: instant.nullable().openapi({ description: "when its invoice was first known to be final" }),
  })
  .openapi("Statement");

export type StatementAnswer = z.infer<typeof statementSchema>;

/** Writes a statement the API's way. */
export function renderStatement({ period, meters, invoices }: Statement): StatementAnswer {
  const [invoice, ...others] = invoices.map(renderInvoice);
  return {
    organization_id: period.organizationId,
    stripe_customer_id: period.customer,
    stripe_subscription_id: period.subscriptionId,
    period: { start: period.start.toISOString(), end: period.end.toISOString() },
    meters: meters.map(renderMeter),
    invoice: invoice ?? null,
    other_invoices: others,
    closed_at: written(period.closedAt),
  };
}

function renderMeter(statement: MeterStatement): StatementAnswer["meters"][number] {
  const { look, states } = statement;
  const none = { count: 0, quantity: "0" };
  return {
    meter: statement.meter,
    readings: statement.readings,
    entries: statement.entries,
    used: statement.used,
    meter_events: {
      pending: states.pending ?? none,
      delivered: states.delivered ?? none,
      in_doubt: states.in_doubt ?? none,
      rejected: states.rejected ?? none,
      expired: states.expired ?? none,
      superseded: states.superseded ?? none,
    },
    sent: statement.sent,
    stripe: statement.stripe,
    compared:
      look === null
        ? null
        : { result: look.result, read_at: look.readAt.toISOString(), until: look.until.toISOString() },
    invoiced: statement.invoiced,
    difference: statement.difference,
    rows: statement.rows.map((row) => ({
      kind: row.kind,
      quantity: row.quantity,
      difference: row.difference,
      hour: written(row.hour),
      meter_event_id: row.meterEventId,
      of_period: written(row.ofPeriod),
    })),
  };
}

function renderInvoice(invoice: PeriodInvoice): z.infer<typeof invoiceSchema> {
  return {
    id: invoice.id,
    status: invoice.status,
    stripe_subscription_id: invoice.subscriptionId,
    created_at: invoice.createdAt.toISOString(),
    finalizes_at: written(invoice.finalizesAt),
    held_until: written(invoice.heldUntil),
    finalized_at: written(invoice.finalizedAt),
    paid_at: written(invoice.paidAt),
  };
}

function written(at: Date | null): string | null {
  return at?.toISOString() ?? null;
}

const columns = [
  "organization_id",
  "period_start",
  "period_end",
  "meter",
  "line",
  "readings",
  "entries",
  "used",
  ...meterEventStates,
  "sent",
  "stripe",
  "invoiced",
  "difference",
  "quantity",
  "hour",
  "meter_event_id",
  "invoice",
  "invoice_status",
  "closed_at",
] as const;

/** The heading of statements in CSV. */
export const statementCsvHeading = csvLines([columns]);

/** A line `total` for each meter, followed by one for each of its rows, whose kind stands in `line`. */
export function statementCsv(statements: readonly StatementAnswer[]): string {
  const lines = statements.flatMap((statement) =>
    statement.meters.flatMap((meter) => [totalLine(statement, meter), ...rowLines(statement, meter)]),
  );
  return csvLines(lines.map((line) => columns.map((name) => line[name] ?? null)));
}

type Line = Partial<Record<(typeof columns)[number], CsvCell>>;
type Meter = StatementAnswer["meters"][number];

function shared(statement: StatementAnswer, { meter }: Meter): Line {
  return {
    organization_id: statement.organization_id,
    period_start: statement.period.start,
    period_end: statement.period.end,
    meter,
  };
}

function totalLine(statement: StatementAnswer, meter: Meter): Line {
  return {
    ...shared(statement, meter),
    line: "total",
    readings: meter.readings,
    entries: meter.entries,
    used: amount(meter.used),
    ...Object.fromEntries(
      meterEventStates.map((state) => [state, amount(meter.meter_events[state].quantity)]),
    ),
    sent: amount(meter.sent),
    stripe: amount(meter.stripe),
    invoiced: amount(meter.invoiced),
    difference: amount(meter.difference),
    invoice: statement.invoice?.id ?? null,
    invoice_status: statement.invoice?.status ?? null,
    closed_at: statement.closed_at,
  };
}

function rowLines(statement: StatementAnswer, meter: Meter): Line[] {
  return meter.rows.map((row) => ({
    ...shared(statement, meter),
    line: row.kind,
    difference: amount(row.difference),
    quantity: amount(row.quantity),
    hour: row.hour,
    meter_event_id: row.meter_event_id,
  }));
}

/** A text that begins with a minus would be written as no number; past 2^53 a number would lose digits. */
function amount(decimal: string | null): CsvCell {
  if (decimal === null) return null;
  return Math.abs(Number(decimal)) <= Number.MAX_SAFE_INTEGER ? Number(decimal) : decimal;
}
