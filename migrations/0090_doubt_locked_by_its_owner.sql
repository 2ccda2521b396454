-- Why: doubt is settled by a function with its owner's rights, while the caller has locked the events. A cluster's node is
-- reached by one connection for each role, so that the function waited there for its own caller's lock, until the cluster
-- ended both as a deadlock. Now the lock is taken with the same rights.
-- Locks: nothing.

create function metering.lock_doubt(of_organization_id uuid, event_ids uuid[]) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- In the order in which attempts are settled, so that both never wait for each other.
  perform 1
  from metering.meter_events m
  where m.organization_id = of_organization_id and m.id = any(event_ids)
  order by m.organization_id, m.id
  for update;
end
$$;
revoke execute on function metering.lock_doubt(uuid, uuid[]) from public;
comment on function metering.lock_doubt is 'locks meter events of an organization whose doubt the caller is about to settle';
