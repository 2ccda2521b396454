-- Why: metrics and doctor tell of periods that are not equal yet, and of reads that are left, in every process; how many reads
-- a day may have is known to workers only, so they write it beside what they used.
-- Locks: reconcile_reads exclusively, for a moment; billing_periods against writes, while an index of few rows is built.
alter table metering.reconcile_reads add column allowed integer check (allowed >= 0);
comment on column metering.reconcile_reads.allowed is 'as many as doubt and closing periods may have used up when the last read was made';
create index billing_periods_unreconciled on metering.billing_periods (period_end) where books is distinct from 'equal';
