-- Why: lists are in the order of creation, which is that of their rows' ids; but of two ids of one millisecond, either
-- could be the smaller. Twelve of an id's random bits now hold the fraction of its millisecond, a quarter of a
-- microsecond each (RFC 9562, section 6.2, method 3). Older ids stay as they are.
-- Locks: none.
create or replace function metering.uuid_v7(at timestamptz) returns uuid
language sql volatile parallel safe
as $$
  -- `at` comes once: a function whose argument comes twice is called, and not inlined, where that is a clock.
  select (
    overlay(lpad(to_hex((extract(epoch from at) * 4096000)::bigint), 15, '0') placing '7' from 13 for 0)
    || right(replace(gen_random_uuid()::text, '-', ''), 16)
  )::uuid
$$;
