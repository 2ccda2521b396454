import { Counter, type Registry } from "prom-client";
import { type GateStep, gateSteps } from "../reconciliation/close/gate-rules.ts";

/** Counts what the gate did with draft invoices. All begin at zero, so that the first one is an increase. */
export function countGateSteps(registry: Registry): (step: GateStep) => void {
  const steps = new Counter({
    name: "meter_outbox_invoice_gate_total",
    help: "What was done with draft invoices whose books were not equal near their finalization, and then were",
    labelNames: ["step"],
    registers: [registry],
  });
  for (const step of gateSteps) steps.inc({ step }, 0);
  return (step) => steps.inc({ step });
}
