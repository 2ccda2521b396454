-- Why: Postgres vacuums a table when a fifth of it has changed. For tables of millions of rows that is late, and an
-- append-only month that has passed would be read whole once more, years later, for fear of wraparound.
-- New partitions get the same from metering.create_partition.
-- Locks: each table for a moment, which stops neither its readers nor its writers.

-- Tables of their own, and the partitions that are there, the default ones included.
do $$
declare
  tuned record;
begin
  for tuned in
    select c.oid::regclass as leaf, metering.storage_parameters(coalesce(parent.relname, c.relname)) as parameters
    from pg_class c
    left join pg_inherits i on i.inhrelid = c.oid
    left join pg_class parent on parent.oid = i.inhparent
    where c.relnamespace = 'metering'::regnamespace and c.relkind = 'r'
  loop
    continue when tuned.parameters is null;
    execute format('alter table %s set (%s)', tuned.leaf, tuned.parameters);
  end loop;
end
$$;
