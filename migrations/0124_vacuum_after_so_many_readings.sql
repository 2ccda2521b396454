-- Why: Postgres notes at most 256 block ranges between two turns of autovacuum for the block range indexes to summarize, some
-- 800,000 readings. What a faster load stores beyond that is summarized by the next vacuum of its month, and until then every
-- question for a meter event's readings reads all of it: 87 ms in place of 3 with a million readings. That vacuum came when a
-- month had grown by a twentieth, so the larger the month, the slower. Now it comes after 100,000 rows; after 250,000 it takes
-- 37 to 41 ms, in a month of 4 million readings and of 21 million alike.
-- Locks: each partition for a moment, which stops neither its readers nor its writers.

create or replace function metering.storage_parameters(table_name text) returns text
language sql immutable
as $$
  select case
    -- Append-only. Frozen by the first vacuum that passes, a page is never visited again. What is not vacuumed may not be in
    -- a block range index yet: a number of rows bounds it for a month of any size.
    when table_name in ('readings', 'delivery_attempts') then
      'autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000, autovacuum_freeze_min_age = 0'
    when table_name = 'sensor_counts' then
      'autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 0'
    -- Every entry is stamped once, which leaves a dead version of it in the heap and in the index of unsealed entries,
    -- where each seal begins. Both indexes change with the stamp, so no update is HOT (measured: 0 of 29,200) and free
    -- room in its page (fillfactor) would be wasted. Measured with 1,000 organizations and 300,000 sealed entries: finding
    -- the oldest unsealed entry of each reads 262,000 buffers in 46 ms without a vacuum since, 10,000 in 3 ms with one
    -- after every 50,000. Sealed, an entry never changes again.
    when table_name = 'meter_outbox' then
      'autovacuum_vacuum_scale_factor = 0.02, autovacuum_freeze_min_age = 0'
    -- Each event is updated when its attempt begins, which is HOT where its page has room (fillfactor, migration 0121), and
    -- when it is settled, which never is, as the state is in the predicates of indexes. Two dead versions of each are left.
    when table_name = 'meter_events' then
      'autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02'
  end
$$;

do $$
declare
  leaf regclass;
  parameters text;
begin
  for leaf, parameters in
    select i.inhrelid, metering.storage_parameters(parent.relname)
    from pg_inherits i
    join pg_class parent on parent.oid = i.inhparent
    join pg_class child on child.oid = i.inhrelid
    where parent.oid in ('metering.readings'::regclass, 'metering.delivery_attempts'::regclass) and child.relkind = 'r'
  loop
    execute format('alter table %s set (%s)', leaf, parameters);
  end loop;
end
$$;
