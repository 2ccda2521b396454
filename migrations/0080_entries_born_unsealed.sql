-- Why: the two roles may insert entries in all columns but meter_event_id, which is empty at birth. A cluster needs their
-- right to insert on the whole table, so a trigger holds the rule there. The owner may still restore rows as they were.
-- Costs an insert one comparison. Locks: meter_outbox for writers, for a moment.

create function metering.refuse_sealed_entry() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not pg_has_role(current_user, (select c.relowner from pg_class c where c.oid = tg_relid), 'usage') then
    raise exception 'an entry of % is born unsealed', tg_table_name using errcode = 'insufficient_privilege';
  end if;
  return new;
end
$$;

create trigger entry_born_unsealed
before insert on metering.meter_outbox
for each row when (new.meter_event_id is not null) execute function metering.refuse_sealed_entry();
