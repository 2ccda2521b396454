-- Why: an entry is our promise that this usage reaches Stripe. It is written in the transaction that makes the
-- usage true, and stamped once with the meter event that carries it.
-- Locks: nothing that exists.
create table metering.meter_outbox (
  organization_id uuid not null,
  occurred_at timestamptz not null,
  id uuid not null,
  meter text not null,
  quantity bigint not null check (quantity between 0 and 999999999999),
  meter_event_id uuid,
  primary key (organization_id, occurred_at, id)
) partition by range (occurred_at);

-- Sealing asks each organization for its oldest unsealed entry; this index holds nothing else.
create index meter_outbox_unsealed on metering.meter_outbox (organization_id, occurred_at) where meter_event_id is null;
-- From a meter event back to its entries.
create index meter_outbox_sealed on metering.meter_outbox (organization_id, meter_event_id) where meter_event_id is not null;

comment on column metering.meter_outbox.id is 'a version 7 UUID made from occurred_at (milliseconds)';
comment on column metering.meter_outbox.quantity is 'bounded so that no hour''s sum can overflow and stall the seal of others';
comment on column metering.meter_outbox.meter is 'our own meter name, whatever Stripe''s event name is';
comment on column metering.meter_outbox.meter_event_id is 'null until sealed; never changes afterwards';

create function metering.refuse_change() returns trigger
language plpgsql
as $$
begin
  raise exception '%.% is immutable: % refused', tg_table_schema, tg_table_name, lower(tg_op)
    using errcode = 'restrict_violation';
end
$$;

create trigger entry_sealed_once before update of meter_event_id on metering.meter_outbox
  for each row when (old.meter_event_id is not null) execute function metering.refuse_change();
create trigger entry_immutable before update of organization_id, occurred_at, id, meter, quantity on metering.meter_outbox
  for each row execute function metering.refuse_change();
create trigger entry_not_deleted before delete on metering.meter_outbox
  for each row execute function metering.refuse_change();

create trigger outbox_not_truncated before truncate on metering.meter_outbox
  for each statement execute function metering.refuse_change();

create table metering.meter_outbox_default partition of metering.meter_outbox default;
