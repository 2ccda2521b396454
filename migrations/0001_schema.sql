-- Why: one schema of our own, beside pg-boss's, and identifiers that sort by time.
-- Locks: nothing that exists.
create schema if not exists metering;

-- A version 7 UUID whose 48 timestamp bits are `at`, to the millisecond. Ids that sort by time keep index
-- inserts at the right edge, and let an entry's occurred_at be read back from its id.
create function metering.uuid_v7(at timestamptz) returns uuid
language sql volatile parallel safe
as $$
  select encode(
    set_bit(
      set_bit(
        overlay(
          uuid_send(gen_random_uuid())
          placing substring(int8send((extract(epoch from at) * 1000)::bigint) from 3)
          from 1 for 6
        ),
        52, 1
      ),
      53, 1
    ),
    'hex'
  )::uuid
$$;

-- The moment inside a version 7 UUID: the inverse of uuid_v7, exact to the millisecond.
create function metering.uuid_v7_time(id uuid) returns timestamptz
language sql immutable strict parallel safe
as $$
  select timestamptz 'epoch'
    + (('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint) * interval '1 millisecond'
$$;
