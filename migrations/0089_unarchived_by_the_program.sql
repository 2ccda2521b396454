-- Why: an organization that comes back from the archive is counted at once because a trigger noted it. A trigger of a
-- table that lies on every node of a cluster may not write rows of one node, so that there it was counted at the next full
-- hour. Now the program that takes it back calls this function, in the same transaction, on both. A program of an older
-- version that still runs leaves the count to the next full hour.
-- Locks: organizations, for the moment of dropping a trigger.

create function metering.note_unarchived(of_organization_id uuid) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into metering.sensor_changes (organization_id) values (of_organization_id);
end
$$;
revoke execute on function metering.note_unarchived(uuid) from public;
comment on function metering.note_unarchived is 'lets the sensors of an organization that came back from the archive be counted soon';

drop trigger if exists organization_unarchived on metering.organizations;
drop function metering.note_unarchiving();
