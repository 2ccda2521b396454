-- Why: what was measured. Monthly partitions on recorded_at keep indexes small and let old months be dropped.
-- Locks: nothing that exists.
create table metering.readings (
  organization_id uuid not null,
  sensor_id text not null,
  recorded_at timestamptz not null,
  temperature double precision not null,
  entry_id uuid not null,
  primary key (organization_id, sensor_id, recorded_at)
) partition by range (recorded_at);

-- Entry ids sort by time and readings are stored in that order, so a block range index finds the readings of
-- an entry at a hundredth of a B-tree's size.
create index readings_entry on metering.readings using brin (entry_id) with (pages_per_range = 32, autosummarize = on);

comment on column metering.readings.temperature is 'degrees Celsius';
comment on column metering.readings.entry_id is 'the meter_outbox entry that bills this reading; its occurred_at is metering.uuid_v7_time(entry_id)';

-- Stays empty: partitions are made ahead. A row here means that the daily partition job has not run.
create table metering.readings_default partition of metering.readings default;
