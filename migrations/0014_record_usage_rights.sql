-- Why: a program that records usage needed the right to insert into the outbox, and with it could write entries that
-- record_usage would refuse. Now the function runs with its owner's rights, and the right to call it is the only one
-- that such a program needs; nobody has it until it is granted.
-- Locks: nothing that exists.
alter function metering.record_usage(uuid, text, bigint, timestamptz, text)
  security definer
  set search_path = pg_catalog, pg_temp;

revoke execute on function metering.record_usage(uuid, text, bigint, timestamptz, text) from public;
