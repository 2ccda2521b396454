-- Why: the console lists billing periods of all customers, the latest first, and shows what the close gate says of each
-- draft. Periods were found by their organization only; what the gate said was in a log line alone, and whether it may
-- move invoices (CLOSE_GATE) was known to the worker alone.
-- Locks: billing_invoices and processes exclusively, for a moment (columns without a default); billing_periods against
-- writes, while an index of one row for each customer and period is built.
create index billing_periods_by_end on metering.billing_periods (period_end, organization_id, period_start);

alter table metering.billing_invoices
  add column gate_said text check (gate_said in ('held', 'released', 'would_hold', 'refused', 'let_go'));
comment on column metering.billing_invoices.gate_said is
  'what the close gate last said of the draft; null: nothing, its books were equal or its finalization was far';

alter table metering.processes
  add column close_gate text check (close_gate in ('off', 'watch', 'hold'));
comment on column metering.processes.close_gate is
  'CLOSE_GATE of a worker; null for an API, and for a worker of a version that did not say it';
