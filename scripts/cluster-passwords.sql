-- Tells a node of a Citus cluster how to log in to the others, in the names of the owner, the API and the worker. Run it
-- with psql on every node as a superuser who owns the database, before the nodes are added, and again once scripts/roles.sql
-- has made the two roles, with the three passwords in the environment:
--
--   PGPASSWORD=… API_DATABASE_PASSWORD=… WORKER_DATABASE_PASSWORD=… psql -h node-1 -v ON_ERROR_STOP=1 -f scripts/cluster-passwords.sql
--
-- Run it on every node again after each change of a password: until then the nodes refuse the logins of the coordinator.
-- Where the two roles have other names, tell it them as scripts/roles.sql is told:
--
--   psql … -c "set metering.api_role = 'billing_api'" -c "set metering.worker_role = 'billing_worker'" -f scripts/cluster-passwords.sql
--
-- The passwords lie in pg_dist_authinfo, which superusers alone can read.
\getenv owner_password PGPASSWORD
\getenv api_password API_DATABASE_PASSWORD
\getenv worker_password WORKER_DATABASE_PASSWORD
create extension if not exists citus;
insert into pg_dist_authinfo (nodeid, rolename, authinfo)
select 0, login.role, format('password=''%s''', replace(replace(login.password, '\', '\\'), '''', '\'''))
from (
  values (current_user, :'owner_password'),
    (coalesce(nullif(current_setting('metering.api_role', true), ''), 'meter_outbox_api'), :'api_password'),
    (coalesce(nullif(current_setting('metering.worker_role', true), ''), 'meter_outbox_worker'), :'worker_password')
) login (role, password)
where exists (select from pg_roles known where known.rolname = login.role)
on conflict (nodeid, rolename) do update set authinfo = excluded.authinfo;
