-- Creates the two roles that the API and the worker connect as, and gives each what it needs and no more:
--
--   psql "$OWNER_DATABASE_URL" -v ON_ERROR_STOP=1 -f scripts/roles.sql
--
-- Run it as the role that migrates, after every migration: it takes away what an earlier version gave and this one
-- does not, all in one transaction, so that running processes notice nothing. Safe to run at any time and at once.
-- The role needs CREATEROLE if the two do not exist yet. They are made without a password; docs/security.md says how
-- to set one, and what each may do and why.
--
-- A role may change its own settings and its own password, and a thief of its connection could so stay in
-- after the theft is found. So this script resets every setting of the two, in every database, and gives them the
-- passwords that it is told:
--
--   psql … -c "set metering.api_password = '…'" -c "set metering.worker_password = '…'" -f scripts/roles.sql
--
-- A limit for the two, such as a statement timeout, belongs to the database (alter database … set …), not to them.
--
-- Other names than meter_outbox_api and meter_outbox_worker:
--
--   psql … -c "set metering.api_role = 'billing_api'" -c "set metering.worker_role = 'billing_worker'" -f scripts/roles.sql
do $roles$
declare
  api constant text := coalesce(nullif(current_setting('metering.api_role', true), ''), 'meter_outbox_api');
  worker constant text := coalesce(nullif(current_setting('metering.worker_role', true), ''), 'meter_outbox_worker');
  owner oid;
  member text;
  password text;
  setting record;
  entry_columns text;
begin
  -- Two sessions that grant on the same table at once would make one of them fail.
  perform pg_advisory_xact_lock(hashtext('metering.roles'));

  select n.nspowner into owner from pg_namespace n where n.nspname = 'metering';
  if owner is null or to_regnamespace('pgboss') is null then
    raise exception 'there is nothing to grant yet: run the migrations first (node dist/migrate.js)';
  end if;
  if not pg_has_role(current_user, owner, 'usage') then
    raise exception 'run this as %, who owns the schema metering', owner::regrole;
  end if;
  if api = worker then
    raise exception 'the API and the worker need a role each, not % for both', api;
  end if;

  foreach member in array array[api, worker] loop
    if not exists (select from pg_roles where rolname = member) then
      begin
        execute format('create role %I login', member);
      exception when duplicate_object or unique_violation then
        -- Roles belong to the whole server: a session in another database of it was faster.
        null;
      end;
    end if;
    -- True for superusers, too.
    if pg_has_role(member, owner, 'member') then
      raise exception 'the role % may do all that the owner of the tables may: choose another', member;
    end if;
    -- Only where a setting exists: a reset takes more than the owner's rights where another role made this one.
    for setting in
      select d.datname from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase
      where s.setrole = (select oid from pg_roles where rolname = member)
    loop
      execute format('alter role %I %s reset all', member, coalesce('in database ' || quote_ident(setting.datname), ''));
    end loop;
    password := nullif(
      current_setting(case member when api then 'metering.api_password' else 'metering.worker_password' end, true), ''
    );
    if password is not null then
      execute format('alter role %I password %L', member, password);
    end if;
    execute format('revoke all on all tables in schema metering, pgboss from %I', member);
    execute format('revoke all on all sequences in schema metering, pgboss from %I', member);
    execute format('revoke all on all functions in schema metering, pgboss from %I', member);
    execute format('revoke all on schema metering, pgboss from %I', member);
    execute format('grant connect on database %I to %I', current_database(), member);
    execute format('grant usage on schema metering, pgboss to %I', member);
    execute format(
      'grant execute on function
          metering.uuid_v7(timestamptz), metering.uuid_v7_time(uuid), metering.versions_of(uuid, uuid),
          metering.sealed_versions(uuid, uuid), metering.newest_look(uuid, text, text, timestamptz), pgboss.job_now()
        to %I',
      member
    );
    execute format(
      'grant select on
        metering.kysely_migration, metering.organizations, metering.subscriptions, metering.customer_links,
        metering.customer_organizations, metering.customer_spans, metering.sensors,
        metering.readings_default, metering.meter_outbox, metering.meter_outbox_default, metering.sensor_counts,
        metering.meter_events, metering.delivery_control, metering.stripe_events, metering.delivery_attempts_default,
        metering.dropped_partitions, metering.processes, metering.retention,
        metering.reconciliations, metering.reconcile_reads, metering.reconcile_requests, metering.billing_periods,
        metering.billing_invoices,
        metering.cut_overs, metering.minute_figures, metering.hour_figures, metering.figure_progress,
        metering.usage_sums, metering.usage_progress
      to %I',
      member
    );
    execute format(
      'grant insert (id, kind), update (seen_at, stopped_at) on metering.processes to %I',
      member
    );
    -- Both link: an operator by the API, a checkout by the worker.
    execute format(
      'grant insert (stripe_customer_id, organization_id) on metering.customer_organizations to %I',
      member
    );
    -- One process of either kind looks at the conditions of alerts for all.
    execute format('grant select, insert, update on metering.alerts to %I', member);
    execute format('grant select, update (looked_at) on metering.alert_watch to %I', member);
  end loop;

  -- An entry is born unsealed: no role may insert one that already belongs to a meter event.
  select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into entry_columns
  from pg_attribute a
  where a.attrelid = 'metering.meter_outbox'::regclass and a.attnum > 0 and not a.attisdropped
    and a.attname <> 'meter_event_id';
  execute format('grant insert (%s) on metering.meter_outbox to %I, %I', entry_columns, api, worker);

  -- The API: intake, the operator's calls, and the webhook inbox. It moves meter events by functions alone.
  execute format(
    'grant select on
        metering.api_keys, metering.readings, metering.delivery_attempts, metering.meter_event_total, metering.usage_keys,
        metering.reading_counts
      to %I',
    api
  );
  execute format('grant insert (name, external_id) on metering.organizations to %I', api);
  execute format('grant update (name, external_id, archived_at) on metering.organizations to %I', api);
  execute format('grant insert (organization_id, name, prefix, key_hash, scopes) on metering.api_keys to %I', api);
  execute format('grant update (last_used_at, revoked_at) on metering.api_keys to %I', api);
  execute format('grant insert (organization_id, id, name, deactivated_at) on metering.sensors to %I', api);
  execute format('grant update (name, deactivated_at) on metering.sensors to %I', api);
  execute format(
    'grant select, insert (via, operator, action, organization_id, subject, reason, affected)
      on metering.operator_actions to %I',
    api
  );
  execute format('grant insert on metering.readings to %I', api);
  execute format('grant insert (event_id, event_type, livemode, payload) on metering.stripe_events to %I', api);
  execute format('grant update (state, attempts, error, dismissed_at, dismissed_because) on metering.stripe_events to %I', api);
  execute format('grant update (paused_until, reason, paused_at, openings) on metering.delivery_control to %I', api);
  execute format(
    'grant execute on function
        metering.retry_rejected(uuid, text, uuid), metering.retry_rejected_events(uuid[]),
        metering.resolve_in_doubt(uuid, text, text),
        metering.make_deliveries_due(uuid[]), metering.note_unarchived(uuid),
        metering.store_readings(uuid, text, text, text, text, text, timestamptz, text), metering.hold_shards(uuid[]),
        metering.cut_over(uuid, timestamptz, boolean, boolean, text[])
      to %I',
    api
  );
  -- A thief of the API's connection can ask for a comparison, and cannot invent one.
  execute format(
    'grant insert (organization_id, cause, period_from, period_to) on metering.reconcile_requests to %I', api
  );
  execute format('grant select on pgboss.version, pgboss.queue, pgboss.job, pgboss.job_common to %I', api);
  execute format('grant insert on pgboss.job, pgboss.job_common to %I', api);

  -- The worker: seals, delivers, settles, counts, and keeps subscriptions in step. Quantities, times and identities
  -- are not among the columns that it may update.
  execute format('grant update (meter_event_id) on metering.meter_outbox to %I', worker);
  execute format(
    'grant insert (transport, close_gate, rate_per_second, rate_per_second_max),
        update (rate_per_second, rate_per_second_max), delete
      on metering.processes to %I',
    worker
  );
  execute format('grant insert, update, delete on metering.minute_figures, metering.hour_figures to %I', worker);
  execute format('grant update (written_until, final_until) on metering.figure_progress to %I', worker);
  execute format('grant insert (table_name, days), update (days, set_at) on metering.retention to %I', worker);
  execute format('grant update (customer_deleted_at) on metering.customer_links to %I', worker);
  execute format(
    'grant insert (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, shipment_id)
      on metering.meter_events to %I',
    worker
  );
  execute format(
    'grant update (
        state, reason, attempts_started, attempts_finished, first_attempt_at, last_attempt_at, first_unknown_at,
        last_error, delivered_at, reconcile_since, reported_code, reported_message
      ) on metering.meter_events to %I',
    worker
  );
  execute format('grant select, insert on metering.delivery_attempts to %I', worker);
  execute format(
    'grant insert (
        organization_id, meter, stripe_customer_id, window_start, window_end, cause, ours, doubtful, theirs, events,
        fingerprint, reads, result, reason
      ) on metering.reconciliations to %I',
    worker
  );
  execute format('grant insert, update on metering.reconcile_reads to %I', worker);
  execute format('grant update (done_at, answer, error), delete on metering.reconcile_requests to %I', worker);
  execute format(
    'grant insert (
        organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id
      ), update (
        period_end, stripe_customer_id, stripe_subscription_id, closed_at, next_look_at, books, not_billed, routine_at,
        is_trial
      ) on metering.billing_periods to %I',
    worker
  );
  execute format(
    'grant insert (
        organization_id, invoice_id, period_start, stripe_customer_id, stripe_subscription_id, billing_reason, status,
        invoiced, billed_twice, created_at, finalizes_at, finalized_at, paid_at, read_began_at
      ), update (
        status, invoiced, billed_twice, finalizes_at, held_since, held_until, warned_for, gate_said, finalized_at, paid_at,
        read_began_at
      ) on metering.billing_invoices to %I',
    worker
  );
  execute format('grant insert on metering.delivery_control to %I', worker);
  execute format('grant update (paused_until, reason, paused_at, openings) on metering.delivery_control to %I', worker);
  execute format('grant update (state, attempts, handled_at, error) on metering.stripe_events to %I', worker);
  execute format(
    'grant execute on function
        metering.purge_stripe_events(integer), metering.create_partition(text, timestamptz),
        metering.drop_partition(text, timestamptz), metering.mend_block_ranges(), metering.add_up_meter_events(), metering.add_up_usage(), metering.count_readings(),
        metering.settle_doubt(uuid, uuid[], text, bigint, uuid), metering.lock_doubt(uuid, uuid[]),
        metering.carry_unsent(uuid, text, timestamptz, timestamptz, text[]),
        metering.carry_delivered(uuid, text, timestamptz, text, bigint, integer)
      to %I',
    worker
  );
  -- Jobs are reminders: pg-boss inserts, fetches, retries and deletes them.
  execute format('grant select, insert, update, delete on all tables in schema pgboss to %I', worker);
  execute format('grant usage on all sequences in schema pgboss to %I', worker);
  execute format('grant execute on all functions in schema pgboss to %I', worker);
  -- So that a new pg-boss's tables work before this script is run again.
  execute format(
    'alter default privileges for role %s in schema pgboss grant select, insert, update, delete on tables to %I',
    (select n.nspowner::regrole from pg_namespace n where n.nspname = 'pgboss'), worker
  );

  -- Both count sensors: the worker by the hour and after changes, the command line when an operator asks.
  execute format(
    'grant
        insert (organization_id, hour, active_sensors, stripe_customer_id, counted_at),
        update (active_sensors, stripe_customer_id, counted_at)
      on metering.sensor_counts to %I, %I',
    api, worker
  );
  execute format('grant select, delete on metering.sensor_changes to %I', worker);

  -- Both write who pays for an organization: the operator by hand, and the worker as Stripe's webhooks tell.
  execute format(
    'grant
        insert (
          organization_id, stripe_customer_id, stripe_subscription_id, status, current_period_start,
          current_period_end, read_began_at, billed,
          other_bounds
        ),
        update (
          stripe_customer_id, stripe_subscription_id, status, current_period_start, current_period_end, read_began_at,
          customer_fault, read_wanted_at, billed, other_bounds, updated_at
        )
      on metering.subscriptions to %I, %I',
    api, worker
  );

  -- On a cluster an INSERT reaches a node with every column that has a default, so that a right on some columns is refused
  -- there. What a role may update stays by column.
  if exists (select from pg_extension where extname = 'citus') then
    for setting in execute
      'select p.logicalrelid::oid as id, p.logicalrelid::regclass::text as name
      from pg_dist_partition p
      join pg_class c on c.oid = p.logicalrelid
      where c.relnamespace = ''metering''::regnamespace and not c.relispartition'
    loop
      foreach member in array array[api, worker] loop
        if has_any_column_privilege(member, setting.id, 'insert') then
          execute format('grant insert on %s to %I', setting.name, member);
        end if;
      end loop;
    end loop;
    -- A shard that moves gets on its new node the rights of the moment at which the move began.
    perform from get_rebalance_progress();
    if found then
      raise exception 'shards move to another node, and would lack there what is granted now'
        using hint = 'Run this again when the move has ended: citus_rebalance_status() tells.';
    end if;
  end if;
end
$roles$;
