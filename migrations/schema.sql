-- The schema as it stands after all migrations, table by table and then its functions, for reading: nothing runs this file.
-- Written by `npm run schema-dump`, held fresh by `npm run check`. Default partitions are left out.

-- alert_watch

CREATE TABLE metering.alert_watch (
    is_only boolean DEFAULT true NOT NULL,
    looked_at timestamp with time zone NOT NULL,
    CONSTRAINT alert_watch_is_only_check CHECK (is_only)
);

COMMENT ON TABLE metering.alert_watch IS 'one row: when a process last began to look at all conditions';

ALTER TABLE ONLY metering.alert_watch
    ADD CONSTRAINT alert_watch_pkey PRIMARY KEY (is_only);

-- alerts

CREATE TABLE metering.alerts (
    name text NOT NULL,
    subject text NOT NULL,
    value double precision,
    true_since timestamp with time zone,
    false_since timestamp with time zone,
    level double precision,
    grown_at timestamp with time zone,
    began_at timestamp with time zone,
    began_told_at timestamp with time zone,
    ended_at timestamp with time zone,
    ended_told_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT alerts_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT alerts_check CHECK (((ended_at IS NULL) OR (began_at IS NOT NULL))),
    CONSTRAINT alerts_check1 CHECK (((ended_told_at IS NULL) OR ((ended_at IS NOT NULL) AND (began_told_at IS NOT NULL)))),
    CONSTRAINT alerts_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT alerts_subject_check CHECK ((length(subject) <= 200))
);

COMMENT ON TABLE metering.alerts IS 'one row for each condition of docs/alerts.yaml and what it is about, from the first time it held';

COMMENT ON COLUMN metering.alerts.subject IS 'what it is about, as scope=account; empty where there is one only';

COMMENT ON COLUMN metering.alerts.true_since IS 'since when the condition has been true without a pause; it begins after a while of that';

COMMENT ON COLUMN metering.alerts.false_since IS 'since when it has been false; it ends after a while of that';

COMMENT ON COLUMN metering.alerts.level IS 'of a condition about growth: the latest value, and grown_at when it was higher than before';

COMMENT ON COLUMN metering.alerts.began_told_at IS 'when the receiver took the post of its beginning; null: it is still to be told';

COMMENT ON COLUMN metering.alerts.next_attempt_at IS 'no post before it: a failed one is put off, and one that is under way is not made twice';

ALTER TABLE ONLY metering.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (name, subject);

-- api_keys

CREATE TABLE metering.api_keys (
    id uuid DEFAULT metering.uuid_v7(clock_timestamp()) NOT NULL,
    organization_id uuid NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    prefix text NOT NULL,
    key_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_keys_key_hash_check CHECK ((length(key_hash) = 32)),
    CONSTRAINT api_keys_scopes_check CHECK (((scopes <@ ARRAY['ingest'::text, 'read'::text]) AND (cardinality(scopes) > 0)))
);

COMMENT ON COLUMN metering.api_keys.prefix IS 'the first characters of the key, so that people can tell keys apart';

COMMENT ON COLUMN metering.api_keys.key_hash IS 'SHA-256 of the whole key; the key itself is shown once and never stored';

COMMENT ON COLUMN metering.api_keys.revoked_at IS 'null while the key is good; once set it never changes';

ALTER TABLE metering.api_keys
    ADD CONSTRAINT api_keys_finite CHECK ((isfinite(created_at) AND isfinite(last_used_at) AND isfinite(revoked_at))) NOT VALID;

ALTER TABLE ONLY metering.api_keys
    ADD CONSTRAINT api_keys_key_hash_key UNIQUE (key_hash);

ALTER TABLE ONLY metering.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

CREATE INDEX api_keys_organization ON metering.api_keys USING btree (organization_id);

CREATE TRIGGER api_key_revoked_for_good BEFORE UPDATE OF revoked_at ON metering.api_keys FOR EACH ROW WHEN (((old.revoked_at IS NOT NULL) AND (new.revoked_at IS DISTINCT FROM old.revoked_at))) EXECUTE FUNCTION metering.refuse_change();

ALTER TABLE ONLY metering.api_keys
    ADD CONSTRAINT api_keys_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES metering.organizations(id);

-- billing_invoices

CREATE TABLE metering.billing_invoices (
    organization_id uuid NOT NULL,
    invoice_id text NOT NULL,
    period_start timestamp with time zone NOT NULL,
    stripe_customer_id text NOT NULL,
    stripe_subscription_id text,
    billing_reason text,
    status text NOT NULL,
    invoiced jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    finalizes_at timestamp with time zone,
    held_since timestamp with time zone,
    held_until timestamp with time zone,
    warned_for timestamp with time zone,
    finalized_at timestamp with time zone,
    paid_at timestamp with time zone,
    read_began_at timestamp with time zone NOT NULL,
    gate_said text,
    billed_twice text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT billing_invoices_check CHECK ((isfinite(period_start) AND isfinite(created_at) AND isfinite(finalizes_at) AND isfinite(held_since) AND isfinite(held_until) AND isfinite(warned_for) AND isfinite(finalized_at) AND isfinite(paid_at) AND isfinite(read_began_at))),
    CONSTRAINT billing_invoices_gate_said_check CHECK ((gate_said = ANY (ARRAY['held'::text, 'released'::text, 'would_hold'::text, 'refused'::text, 'let_go'::text]))),
    CONSTRAINT billing_invoices_invoice_id_check CHECK (((length(invoice_id) >= 1) AND (length(invoice_id) <= 255))),
    CONSTRAINT billing_invoices_status_check CHECK (((length(status) >= 1) AND (length(status) <= 64)))
);

COMMENT ON TABLE metering.billing_invoices IS 'invoices that bill our meters, as Stripe last told; written by webhooks and by the close of periods';

COMMENT ON COLUMN metering.billing_invoices.period_start IS 'the billing period whose usage it bills';

COMMENT ON COLUMN metering.billing_invoices.status IS 'Stripe''s own word, or deleted';

COMMENT ON COLUMN metering.billing_invoices.invoiced IS 'quantity of its lines by our meters'' names, as decimal strings';

COMMENT ON COLUMN metering.billing_invoices.finalizes_at IS 'when Stripe finalizes the draft by itself, as last heard or set';

COMMENT ON COLUMN metering.billing_invoices.held_since IS 'when the gate first moved its finalization';

COMMENT ON COLUMN metering.billing_invoices.held_until IS 'where the gate has moved its finalization, or was about to';

COMMENT ON COLUMN metering.billing_invoices.warned_for IS 'the finalization about which the gate has warned, where it watches or may not move it';

COMMENT ON COLUMN metering.billing_invoices.read_began_at IS 'when the read of Stripe''s object that this row holds began; an older read never overwrites it';

COMMENT ON COLUMN metering.billing_invoices.gate_said IS 'what the close gate last said of the draft; null: nothing, its books were equal or its finalization was far';

COMMENT ON COLUMN metering.billing_invoices.billed_twice IS 'our meters'' names, of which lines of two prices bill usage of the same time';

ALTER TABLE ONLY metering.billing_invoices
    ADD CONSTRAINT billing_invoices_pkey PRIMARY KEY (organization_id, invoice_id);

CREATE INDEX billing_invoices_draft ON metering.billing_invoices USING btree (finalizes_at) WHERE (status = 'draft'::text);

CREATE INDEX billing_invoices_period ON metering.billing_invoices USING btree (organization_id, period_start);

ALTER TABLE ONLY metering.billing_invoices
    ADD CONSTRAINT billing_invoices_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES metering.organizations(id);

-- billing_periods

CREATE TABLE metering.billing_periods (
    organization_id uuid NOT NULL,
    period_start timestamp with time zone NOT NULL,
    period_end timestamp with time zone NOT NULL,
    stripe_customer_id text NOT NULL,
    stripe_subscription_id text,
    closed_at timestamp with time zone,
    next_look_at timestamp with time zone,
    books text,
    not_billed jsonb,
    routine_at timestamp with time zone DEFAULT '2000-01-01 00:00:00+00'::timestamp with time zone,
    is_trial boolean DEFAULT false NOT NULL,
    CONSTRAINT billing_periods_books_check CHECK ((books = ANY (ARRAY['open'::text, 'settling'::text, 'different'::text, 'unknown'::text, 'equal'::text]))),
    CONSTRAINT billing_periods_check CHECK ((isfinite(period_start) AND isfinite(period_end) AND (period_start < period_end))),
    CONSTRAINT billing_periods_next_look_at_check CHECK (isfinite(next_look_at)),
    CONSTRAINT billing_periods_routine_at_check CHECK (isfinite(routine_at))
);

COMMENT ON TABLE metering.billing_periods IS 'every billing period that a subscription has told, written by a trigger on subscriptions, and its invoice, by webhooks';

COMMENT ON COLUMN metering.billing_periods.closed_at IS 'when an invoice of it was first known to be final';

COMMENT ON COLUMN metering.billing_periods.next_look_at IS 'when a worker looks at it next; null: when it ends; later than all time that matters: never';

COMMENT ON COLUMN metering.billing_periods.books IS 'what the last look found: usage is open, or its sums settle, differ, could not be compared, or are equal';

COMMENT ON COLUMN metering.billing_periods.not_billed IS 'by our meters'' names, usage that its final invoices lack and no later period carries, as decimal strings; null: none';

COMMENT ON COLUMN metering.billing_periods.routine_at IS 'when the running period is compared next with Stripe''s sums; null: it has ended, and next_look_at has what follows';

COMMENT ON COLUMN metering.billing_periods.is_trial IS 'a look found usage that no invoice has, and Stripe tells that the whole period was a trial, in which usage is free';

ALTER TABLE ONLY metering.billing_periods
    ADD CONSTRAINT billing_periods_pkey PRIMARY KEY (organization_id, period_start);

CREATE INDEX billing_periods_by_end ON metering.billing_periods USING btree (period_end, organization_id, period_start);

CREATE INDEX billing_periods_due ON metering.billing_periods USING btree (COALESCE(next_look_at, period_end));

CREATE INDEX billing_periods_not_billed ON metering.billing_periods USING btree (closed_at) WHERE (not_billed IS NOT NULL);

CREATE INDEX billing_periods_routine ON metering.billing_periods USING btree (routine_at) WHERE (routine_at IS NOT NULL);

CREATE INDEX billing_periods_unreconciled ON metering.billing_periods USING btree (period_end) WHERE (books IS DISTINCT FROM 'equal'::text);

CREATE TRIGGER billing_period_begun AFTER INSERT ON metering.billing_periods FOR EACH ROW EXECUTE FUNCTION metering.give_way_to_period();

CREATE TRIGGER billing_period_prolonged AFTER UPDATE OF period_end ON metering.billing_periods FOR EACH ROW WHEN ((new.period_end > old.period_end)) EXECUTE FUNCTION metering.give_way_to_period();

CREATE TRIGGER billing_period_runs_on BEFORE UPDATE OF period_end ON metering.billing_periods FOR EACH ROW WHEN ((new.period_end > old.period_end)) EXECUTE FUNCTION metering.run_on();

ALTER TABLE ONLY metering.billing_periods
    ADD CONSTRAINT billing_periods_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES metering.organizations(id);

-- customer_links

CREATE TABLE metering.customer_links (
    organization_id uuid NOT NULL,
    linked_at timestamp with time zone NOT NULL,
    stripe_customer_id text NOT NULL,
    ended_at timestamp with time zone,
    customer_deleted_at timestamp with time zone,
    CONSTRAINT customer_links_check CHECK ((ended_at > linked_at)),
    CONSTRAINT customer_links_stripe_customer_id_check CHECK (((length(stripe_customer_id) >= 1) AND (length(stripe_customer_id) <= 255)))
);

COMMENT ON TABLE metering.customer_links IS 'which Stripe customer an organization was linked to, and when; written by a trigger on subscriptions';

COMMENT ON COLUMN metering.customer_links.ended_at IS 'null: the link is the present one';

COMMENT ON COLUMN metering.customer_links.customer_deleted_at IS 'Stripe has deleted the customer: usage of this link that is not sealed belongs to the next one';

ALTER TABLE metering.customer_links
    ADD CONSTRAINT customer_links_finite CHECK ((isfinite(linked_at) AND isfinite(ended_at) AND isfinite(customer_deleted_at))) NOT VALID;

ALTER TABLE ONLY metering.customer_links
    ADD CONSTRAINT customer_links_pkey PRIMARY KEY (organization_id, linked_at);

ALTER TABLE ONLY metering.customer_links
    ADD CONSTRAINT customer_links_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES metering.organizations(id);

ALTER TABLE ONLY metering.customer_links
    ADD CONSTRAINT customer_links_pair_fkey FOREIGN KEY (stripe_customer_id, organization_id) REFERENCES metering.customer_organizations(stripe_customer_id, organization_id);

-- customer_organizations

CREATE TABLE metering.customer_organizations (
    stripe_customer_id text NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT customer_organizations_stripe_customer_id_check CHECK (((length(stripe_customer_id) >= 1) AND (length(stripe_customer_id) <= 255)))
);

COMMENT ON TABLE metering.customer_organizations IS 'the organizations that a Stripe customer pays for or ever paid for; none is taken away, and customer_links has no row without its pair here';

ALTER TABLE ONLY metering.customer_organizations
    ADD CONSTRAINT customer_organizations_pkey PRIMARY KEY (stripe_customer_id, organization_id);

-- cut_overs

CREATE TABLE metering.cut_overs (
    organization_id uuid NOT NULL,
    cut_at timestamp with time zone NOT NULL,
    set_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT cut_overs_cut_at_check CHECK (isfinite(cut_at)),
    CONSTRAINT cut_overs_set_at_check CHECK (isfinite(set_at))
);

COMMENT ON TABLE metering.cut_overs IS 'usage of an organization before cut_at was billed by another path and is never sent: its meter events are superseded, reason billed_elsewhere';

ALTER TABLE ONLY metering.cut_overs
    ADD CONSTRAINT cut_overs_pkey PRIMARY KEY (organization_id);

ALTER TABLE ONLY metering.cut_overs
    ADD CONSTRAINT cut_overs_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES metering.organizations(id);

-- delivery_attempts

CREATE TABLE metering.delivery_attempts (
    organization_id uuid CONSTRAINT delivery_attempts_organization_id_not_null1 NOT NULL,
    meter_event_id uuid CONSTRAINT delivery_attempts_meter_event_id_not_null1 NOT NULL,
    attempt integer CONSTRAINT delivery_attempts_attempt_not_null1 NOT NULL,
    started_at timestamp with time zone CONSTRAINT delivery_attempts_started_at_not_null1 NOT NULL,
    duration_ms integer CONSTRAINT delivery_attempts_duration_ms_not_null1 NOT NULL,
    verdict text CONSTRAINT delivery_attempts_verdict_not_null1 NOT NULL,
    http_status integer,
    code text,
    message text,
    stripe_request_id text,
    CONSTRAINT delivery_attempts_attempt_check1 CHECK ((attempt > 0)),
    CONSTRAINT delivery_attempts_duration_ms_check1 CHECK ((duration_ms >= 0))
)
PARTITION BY RANGE (started_at);

COMMENT ON TABLE metering.delivery_attempts IS 'append-only; an attempt whose process died leaves a gap in the numbers; that none is settled twice is the fence''s doing';

ALTER TABLE metering.delivery_attempts
    ADD CONSTRAINT delivery_attempts_finite CHECK (isfinite(started_at)) NOT VALID;

ALTER TABLE ONLY metering.delivery_attempts
    ADD CONSTRAINT delivery_attempts_pkey PRIMARY KEY (organization_id, meter_event_id, attempt, started_at);

CREATE INDEX delivery_attempts_started ON ONLY metering.delivery_attempts USING brin (started_at) WITH (pages_per_range='32', autosummarize='on');

CREATE TRIGGER delivery_attempt_immutable BEFORE UPDATE ON metering.delivery_attempts FOR EACH ROW EXECUTE FUNCTION metering.refuse_change();

-- delivery_control

CREATE TABLE metering.delivery_control (
    scope text NOT NULL,
    paused_until timestamp with time zone,
    reason text,
    paused_at timestamp with time zone,
    openings integer DEFAULT 0 NOT NULL,
    CONSTRAINT delivery_control_check CHECK ((((paused_until IS NULL) = (reason IS NULL)) AND ((paused_until IS NULL) = (paused_at IS NULL)))),
    CONSTRAINT delivery_control_openings_check CHECK ((openings >= 0)),
    CONSTRAINT delivery_control_scope_check CHECK (((length(scope) >= 1) AND (length(scope) <= 100)))
);

COMMENT ON COLUMN metering.delivery_control.scope IS '''account'', or the name of a meter';

COMMENT ON COLUMN metering.delivery_control.paused_until IS 'null: not paused; infinity: until somebody resumes it; else when one worker may probe';

COMMENT ON COLUMN metering.delivery_control.openings IS 'how often in a row the circuit breaker paused it; each time is longer';

ALTER TABLE ONLY metering.delivery_control
    ADD CONSTRAINT delivery_control_pkey PRIMARY KEY (scope);

-- dropped_partitions

CREATE TABLE metering.dropped_partitions (
    table_name text NOT NULL,
    month timestamp with time zone NOT NULL,
    dropped_rows bigint NOT NULL,
    dropped_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE metering.dropped_partitions IS 'months that retention has dropped; none of them is ever opened again';

ALTER TABLE metering.dropped_partitions
    ADD CONSTRAINT dropped_partitions_finite CHECK ((isfinite(month) AND isfinite(dropped_at))) NOT VALID;

ALTER TABLE ONLY metering.dropped_partitions
    ADD CONSTRAINT dropped_partitions_pkey PRIMARY KEY (table_name, month);

-- dropped_usage

CREATE TABLE metering.dropped_usage (
    organization_id uuid NOT NULL,
    table_name text NOT NULL,
    month timestamp with time zone NOT NULL,
    meter text NOT NULL,
    dropped_rows bigint NOT NULL,
    quantity bigint NOT NULL,
    CONSTRAINT dropped_usage_table_name_check CHECK ((table_name = ANY (ARRAY['readings'::text, 'meter_outbox'::text])))
);

COMMENT ON TABLE metering.dropped_usage IS 'what each dropped partition held of each organization: readings and what they count, or entries and their quantity';

ALTER TABLE metering.dropped_usage
    ADD CONSTRAINT dropped_usage_finite CHECK (isfinite(month)) NOT VALID;

ALTER TABLE ONLY metering.dropped_usage
    ADD CONSTRAINT dropped_usage_pkey PRIMARY KEY (organization_id, table_name, month, meter);

-- figure_progress

CREATE TABLE metering.figure_progress (
    is_only boolean DEFAULT true NOT NULL,
    written_until timestamp with time zone NOT NULL,
    final_until timestamp with time zone NOT NULL,
    CONSTRAINT figure_progress_check CHECK ((isfinite(written_until) AND isfinite(final_until))),
    CONSTRAINT figure_progress_final_until_check CHECK ((final_until = date_trunc('minute'::text, final_until, 'UTC'::text))),
    CONSTRAINT figure_progress_is_only_check CHECK (is_only),
    CONSTRAINT figure_progress_written_until_check CHECK ((written_until = date_trunc('minute'::text, written_until, 'UTC'::text)))
);

COMMENT ON TABLE metering.figure_progress IS 'one row, locked by the worker that writes figures: how far they are written';

COMMENT ON COLUMN metering.figure_progress.written_until IS 'end of the latest minute whose figures stand';

COMMENT ON COLUMN metering.figure_progress.final_until IS 'minutes before it have been counted for the last time; those after it are counted again when their last attempts have ended';

ALTER TABLE ONLY metering.figure_progress
    ADD CONSTRAINT figure_progress_pkey PRIMARY KEY (is_only);

-- hour_figures

CREATE TABLE metering.hour_figures (
    hour timestamp with time zone CONSTRAINT minute_figures_minute_not_null NOT NULL,
    meter text CONSTRAINT minute_figures_meter_not_null NOT NULL,
    entries bigint CONSTRAINT minute_figures_entries_not_null NOT NULL,
    quantity numeric CONSTRAINT minute_figures_quantity_not_null NOT NULL,
    delivered bigint CONSTRAINT minute_figures_delivered_not_null NOT NULL,
    delivered_quantity numeric CONSTRAINT minute_figures_delivered_quantity_not_null NOT NULL,
    rejected bigint CONSTRAINT minute_figures_rejected_not_null NOT NULL,
    retried bigint CONSTRAINT minute_figures_retried_not_null NOT NULL,
    unanswered bigint CONSTRAINT minute_figures_unanswered_not_null NOT NULL,
    latencies jsonb CONSTRAINT minute_figures_latencies_not_null NOT NULL,
    unsealed_entries bigint,
    unsealed_seconds double precision,
    pending bigint,
    pending_seconds double precision,
    minutes smallint NOT NULL,
    CONSTRAINT hour_figures_hour_check CHECK ((hour = date_trunc('hour'::text, hour, 'UTC'::text))),
    CONSTRAINT hour_figures_minutes_check CHECK (((minutes >= 1) AND (minutes <= 60))),
    CONSTRAINT minute_figures_check CHECK ((num_nulls(unsealed_entries, unsealed_seconds, pending, pending_seconds) = ANY (ARRAY[0, 4]))),
    CONSTRAINT minute_figures_delivered_check CHECK ((delivered >= 0)),
    CONSTRAINT minute_figures_delivered_quantity_check CHECK ((delivered_quantity >= (0)::numeric)),
    CONSTRAINT minute_figures_entries_check CHECK ((entries >= 0)),
    CONSTRAINT minute_figures_meter_check CHECK (((length(meter) >= 1) AND (length(meter) <= 100))),
    CONSTRAINT minute_figures_minute_check CHECK ((hour = date_trunc('minute'::text, hour, 'UTC'::text))),
    CONSTRAINT minute_figures_pending_check CHECK ((pending >= 0)),
    CONSTRAINT minute_figures_pending_seconds_check CHECK ((pending_seconds >= (0)::double precision)),
    CONSTRAINT minute_figures_quantity_check CHECK ((quantity >= (0)::numeric)),
    CONSTRAINT minute_figures_rejected_check CHECK ((rejected >= 0)),
    CONSTRAINT minute_figures_retried_check CHECK ((retried >= 0)),
    CONSTRAINT minute_figures_unanswered_check CHECK ((unanswered >= 0)),
    CONSTRAINT minute_figures_unsealed_entries_check CHECK ((unsealed_entries >= 0)),
    CONSTRAINT minute_figures_unsealed_seconds_check CHECK ((unsealed_seconds >= (0)::double precision))
);

COMMENT ON TABLE metering.hour_figures IS 'minute_figures folded to hours: what happened is added up, of what waited the largest is kept';

COMMENT ON COLUMN metering.hour_figures.minutes IS 'how many of its minutes were counted';

ALTER TABLE ONLY metering.hour_figures
    ADD CONSTRAINT hour_figures_pkey PRIMARY KEY (hour, meter);

-- meter_event_total

CREATE TABLE metering.meter_event_total (
    is_only boolean DEFAULT true NOT NULL,
    through_id uuid NOT NULL,
    events bigint NOT NULL,
    quantity numeric NOT NULL,
    CONSTRAINT meter_event_total_is_only_check CHECK (is_only)
);

COMMENT ON TABLE metering.meter_event_total IS 'one row: all meter events with ids up to through_id, whatever their state, added up; a report counts those after it';

ALTER TABLE ONLY metering.meter_event_total
    ADD CONSTRAINT meter_event_total_pkey PRIMARY KEY (is_only);

-- meter_events

CREATE TABLE metering.meter_events (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    meter text NOT NULL,
    hour timestamp with time zone NOT NULL,
    quantity bigint NOT NULL,
    event_at timestamp with time zone NOT NULL,
    entries integer NOT NULL,
    stripe_customer_id text NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    reason text,
    attempts_started integer DEFAULT 0 NOT NULL,
    attempts_finished integer DEFAULT 0 NOT NULL,
    first_attempt_at timestamp with time zone,
    last_attempt_at timestamp with time zone,
    first_unknown_at timestamp with time zone,
    last_error text,
    sealed_at timestamp with time zone DEFAULT now() NOT NULL,
    delivered_at timestamp with time zone,
    replaces_id uuid,
    resolved_at timestamp with time zone,
    resolution_reason text,
    reconcile_since timestamp with time zone,
    counted_before numeric DEFAULT 0 NOT NULL,
    replaced_by_id uuid,
    evidence_id uuid,
    reported_code text,
    reported_message text,
    carried_from timestamp with time zone,
    shipment_id uuid,
    CONSTRAINT meter_events_carried_from_check CHECK (isfinite(carried_from)),
    CONSTRAINT meter_events_check CHECK (((event_at >= hour) AND (event_at < (hour + '01:00:00'::interval)))),
    CONSTRAINT meter_events_check1 CHECK ((attempts_finished <= attempts_started)),
    CONSTRAINT meter_events_entries_check CHECK ((entries > 0)),
    CONSTRAINT meter_events_quantity_check CHECK ((quantity >= 0))
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_analyze_scale_factor='0.02', fillfactor='50');

COMMENT ON TABLE metering.meter_events IS 'id is the identifier that Stripe deduplicates by, the same for every attempt';

COMMENT ON COLUMN metering.meter_events.hour IS 'start of the UTC hour of all its entries';

COMMENT ON COLUMN metering.meter_events.event_at IS 'latest occurred_at of its entries; sent to Stripe in whole seconds, rounded down';

COMMENT ON COLUMN metering.meter_events.entries IS 'how many entries it folds';

COMMENT ON COLUMN metering.meter_events.reason IS 'why it is in this state, in one word; last_error has Stripe''s own words';

COMMENT ON COLUMN metering.meter_events.first_unknown_at IS 'start of the first attempt that Stripe may have counted without our knowing';

COMMENT ON COLUMN metering.meter_events.replaces_id IS 'of an event that sends usage again: the one that it replaces, or the first of several; the entries stay with them';

COMMENT ON COLUMN metering.meter_events.resolution_reason IS 'why an operator declared an event in doubt delivered or not delivered, at resolved_at';

COMMENT ON COLUMN metering.meter_events.reconcile_since IS 'since when it is in doubt because Stripe reported failures without naming each; null again when a sum has told';

COMMENT ON COLUMN metering.meter_events.counted_before IS 'of an event that replaces others: what Stripe had counted of them already, by its sum; 0 for all other events';

COMMENT ON COLUMN metering.meter_events.replaced_by_id IS 'of a superseded event: the one that sends its usage, or what was missing of it, again; several may name the same one';

COMMENT ON COLUMN metering.meter_events.evidence_id IS 'the look at Stripe''s sum (reconciliations) that the end of its doubt goes by';

COMMENT ON COLUMN metering.meter_events.reported_code IS 'Stripe''s reason for the failures that may be this event''s, which its report did not name';

COMMENT ON COLUMN metering.meter_events.carried_from IS 'of usage that came too late for its invoice: start of the billing period that it belongs to';

COMMENT ON COLUMN metering.meter_events.shipment_id IS 'the pg-boss job that reminds of the first attempt at this event and of others; null where its reminder was made for it alone';

ALTER TABLE metering.meter_events
    ADD CONSTRAINT meter_events_finite CHECK ((isfinite(hour) AND isfinite(event_at) AND isfinite(sealed_at) AND isfinite(first_attempt_at) AND isfinite(last_attempt_at) AND isfinite(first_unknown_at) AND isfinite(delivered_at) AND isfinite(resolved_at) AND isfinite(reconcile_since))) NOT VALID;

ALTER TABLE ONLY metering.meter_events
    ADD CONSTRAINT meter_events_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE metering.meter_events
    ADD CONSTRAINT meter_events_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'delivered'::text, 'in_doubt'::text, 'rejected'::text, 'expired'::text, 'superseded'::text]))) NOT VALID;

CREATE INDEX meter_events_attention ON metering.meter_events USING btree (state, id) WHERE (state = ANY (ARRAY['in_doubt'::text, 'rejected'::text, 'expired'::text, 'superseded'::text]));

CREATE INDEX meter_events_carried ON metering.meter_events USING btree (organization_id, carried_from) WHERE (carried_from IS NOT NULL);

CREATE INDEX meter_events_delivered_late ON metering.meter_events USING btree (organization_id, meter, hour) WHERE ((delivered_at - hour) > '1 day'::interval);

CREATE INDEX meter_events_hour ON metering.meter_events USING btree (organization_id, meter, hour) INCLUDE (state, quantity, counted_before, replaces_id, carried_from);

CREATE INDEX meter_events_id ON metering.meter_events USING btree (id);

CREATE INDEX meter_events_pending_by_meter ON metering.meter_events USING btree (meter, organization_id, id) WHERE (state = 'pending'::text);

CREATE INDEX meter_events_replaced ON metering.meter_events USING btree (organization_id, replaced_by_id) WHERE (replaced_by_id IS NOT NULL);

CREATE INDEX meter_events_replacing ON metering.meter_events USING btree (organization_id, meter, hour) WHERE (replaces_id IS NOT NULL);

CREATE INDEX meter_events_reported ON metering.meter_events USING btree (organization_id, meter, event_at) WHERE (reconcile_since IS NOT NULL);

CREATE INDEX meter_events_undelivered ON metering.meter_events USING btree (organization_id, meter, hour) WHERE ((state = ANY (ARRAY['in_doubt'::text, 'rejected'::text, 'expired'::text, 'superseded'::text])) AND (replaces_id IS NULL) AND (carried_from IS NULL));

CREATE TRIGGER meter_event_immutable AFTER UPDATE OF organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, sealed_at, replaces_id, counted_before, carried_from ON metering.meter_events FOR EACH ROW EXECUTE FUNCTION metering.refuse_change();

CREATE TRIGGER meter_event_not_deleted BEFORE DELETE ON metering.meter_events FOR EACH ROW EXECUTE FUNCTION metering.refuse_change();

CREATE TRIGGER meter_event_state AFTER UPDATE OF state ON metering.meter_events FOR EACH ROW WHEN (((old.state <> new.state) AND (old.state <> 'pending'::text))) EXECUTE FUNCTION metering.guard_meter_event_state();

CREATE TRIGGER meter_events_not_truncated BEFORE TRUNCATE ON metering.meter_events FOR EACH STATEMENT EXECUTE FUNCTION metering.refuse_change();

ALTER TABLE ONLY metering.meter_events
    ADD CONSTRAINT meter_events_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES metering.organizations(id);

-- meter_outbox

CREATE TABLE metering.meter_outbox (
    organization_id uuid NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    meter text NOT NULL,
    quantity bigint NOT NULL,
    meter_event_id uuid,
    traceparent text,
    CONSTRAINT meter_outbox_quantity_check CHECK (((quantity >= 0) AND (quantity <= '999999999999'::bigint)))
)
PARTITION BY RANGE (occurred_at);

COMMENT ON COLUMN metering.meter_outbox.id IS 'a version 7 UUID made from occurred_at (milliseconds)';

COMMENT ON COLUMN metering.meter_outbox.meter IS 'our own meter name, whatever Stripe''s event name is';

COMMENT ON COLUMN metering.meter_outbox.quantity IS 'bounded so that no hour''s sum can overflow and stall the seal of others';

COMMENT ON COLUMN metering.meter_outbox.meter_event_id IS 'null until sealed; never changes afterwards';

COMMENT ON COLUMN metering.meter_outbox.traceparent IS 'W3C trace context of the span that stored the entry, if that span is recorded';

ALTER TABLE metering.meter_outbox
    ADD CONSTRAINT meter_outbox_finite CHECK (isfinite(occurred_at)) NOT VALID;

ALTER TABLE ONLY metering.meter_outbox
    ADD CONSTRAINT meter_outbox_pkey PRIMARY KEY (organization_id, occurred_at, id);

CREATE INDEX meter_outbox_sealed ON ONLY metering.meter_outbox USING btree (organization_id, meter_event_id) WHERE (meter_event_id IS NOT NULL);

CREATE INDEX meter_outbox_unsealed_by_meter ON ONLY metering.meter_outbox USING btree (meter, organization_id, occurred_at, id) WHERE (meter_event_id IS NULL);

CREATE TRIGGER entry_born_unsealed BEFORE INSERT ON metering.meter_outbox FOR EACH ROW WHEN ((new.meter_event_id IS NOT NULL)) EXECUTE FUNCTION metering.refuse_sealed_entry();

CREATE TRIGGER entry_immutable AFTER UPDATE OF organization_id, occurred_at, id, meter, quantity ON metering.meter_outbox FOR EACH ROW EXECUTE FUNCTION metering.refuse_change();

CREATE TRIGGER entry_not_deleted BEFORE DELETE ON metering.meter_outbox FOR EACH ROW EXECUTE FUNCTION metering.refuse_change();

CREATE TRIGGER entry_sealed_once AFTER UPDATE OF meter_event_id ON metering.meter_outbox FOR EACH ROW WHEN ((old.meter_event_id IS NOT NULL)) EXECUTE FUNCTION metering.refuse_change();

CREATE TRIGGER outbox_not_truncated BEFORE TRUNCATE ON metering.meter_outbox FOR EACH STATEMENT EXECUTE FUNCTION metering.refuse_change();

-- meters

CREATE TABLE metering.meters (
    name text NOT NULL,
    aggregation text NOT NULL,
    CONSTRAINT meters_aggregation_check CHECK ((aggregation = ANY (ARRAY['sum'::text, 'last'::text])))
);

COMMENT ON TABLE metering.meters IS 'the meters that record_usage takes; the same as the program''s own list, which decides';

ALTER TABLE ONLY metering.meters
    ADD CONSTRAINT meters_pkey PRIMARY KEY (name);

-- minute_figures

CREATE TABLE metering.minute_figures (
    minute timestamp with time zone NOT NULL,
    meter text NOT NULL,
    entries bigint NOT NULL,
    quantity numeric NOT NULL,
    delivered bigint NOT NULL,
    delivered_quantity numeric NOT NULL,
    rejected bigint NOT NULL,
    retried bigint NOT NULL,
    unanswered bigint NOT NULL,
    latencies jsonb NOT NULL,
    unsealed_entries bigint,
    unsealed_seconds double precision,
    pending bigint,
    pending_seconds double precision,
    CONSTRAINT minute_figures_check CHECK ((num_nulls(unsealed_entries, unsealed_seconds, pending, pending_seconds) = ANY (ARRAY[0, 4]))),
    CONSTRAINT minute_figures_delivered_check CHECK ((delivered >= 0)),
    CONSTRAINT minute_figures_delivered_quantity_check CHECK ((delivered_quantity >= (0)::numeric)),
    CONSTRAINT minute_figures_entries_check CHECK ((entries >= 0)),
    CONSTRAINT minute_figures_meter_check CHECK (((length(meter) >= 1) AND (length(meter) <= 100))),
    CONSTRAINT minute_figures_minute_check CHECK ((minute = date_trunc('minute'::text, minute, 'UTC'::text))),
    CONSTRAINT minute_figures_pending_check CHECK ((pending >= 0)),
    CONSTRAINT minute_figures_pending_seconds_check CHECK ((pending_seconds >= (0)::double precision)),
    CONSTRAINT minute_figures_quantity_check CHECK ((quantity >= (0)::numeric)),
    CONSTRAINT minute_figures_rejected_check CHECK ((rejected >= 0)),
    CONSTRAINT minute_figures_retried_check CHECK ((retried >= 0)),
    CONSTRAINT minute_figures_unanswered_check CHECK ((unanswered >= 0)),
    CONSTRAINT minute_figures_unsealed_entries_check CHECK ((unsealed_entries >= 0)),
    CONSTRAINT minute_figures_unsealed_seconds_check CHECK ((unsealed_seconds >= (0)::double precision))
);

COMMENT ON TABLE metering.minute_figures IS 'for each minute and meter what was taken in and attempted, counted from the rows, and what waited at its end; a minute without a row was not counted';

COMMENT ON COLUMN metering.minute_figures.entries IS 'entries by their occurred_at; quantity is their usage';

COMMENT ON COLUMN metering.minute_figures.delivered IS 'attempts that began in the minute, by verdict: delivered, rejected, retried (certainly not counted), unanswered (unknown)';

COMMENT ON COLUMN metering.minute_figures.latencies IS 'how many of those attempts took how long: key n counts those that took at most 1.1^n ms, and more than 1.1^(n-1) ms';

COMMENT ON COLUMN metering.minute_figures.unsealed_entries IS 'entries with a paying customer that waited for the seal at the end of the minute, 500,000 at most; null: no worker looked';

COMMENT ON COLUMN metering.minute_figures.unsealed_seconds IS 'the age of the oldest of them: how far the seal is behind';

COMMENT ON COLUMN metering.minute_figures.pending_seconds IS 'the age of the oldest pending usage; 0 in shadow mode';

ALTER TABLE ONLY metering.minute_figures
    ADD CONSTRAINT minute_figures_pkey PRIMARY KEY (minute, meter);

-- operator_actions

CREATE TABLE metering.operator_actions (
    id uuid DEFAULT metering.uuid_v7(clock_timestamp()) NOT NULL,
    acted_at timestamp with time zone DEFAULT now() NOT NULL,
    via text NOT NULL,
    operator text NOT NULL,
    action text NOT NULL,
    organization_id uuid,
    subject text,
    reason text,
    affected bigint,
    CONSTRAINT operator_actions_acted_at_check CHECK (isfinite(acted_at)),
    CONSTRAINT operator_actions_action_check CHECK (((length(action) >= 1) AND (length(action) <= 60))),
    CONSTRAINT operator_actions_affected_check CHECK ((affected >= 0)),
    CONSTRAINT operator_actions_operator_check CHECK ((length(operator) <= 80)),
    CONSTRAINT operator_actions_reason_check CHECK ((length(reason) <= 500)),
    CONSTRAINT operator_actions_subject_check CHECK ((length(subject) <= 255)),
    CONSTRAINT operator_actions_via_check CHECK ((via = ANY (ARRAY['console'::text, 'api'::text, 'cli'::text])))
);

COMMENT ON TABLE metering.operator_actions IS 'append-only: what operators did, by console, API and command line';

COMMENT ON COLUMN metering.operator_actions.operator IS 'the name given at the console''s sign-in, or the command line''s user; empty where a token is all that is known';

COMMENT ON COLUMN metering.operator_actions.organization_id IS 'null: it concerns the whole account. No reference, so that an action outlives what it was about';

COMMENT ON COLUMN metering.operator_actions.subject IS 'the id of what it was done to, or the scope of a pause';

COMMENT ON COLUMN metering.operator_actions.affected IS 'how many it changed; null where there is nothing to count';

ALTER TABLE ONLY metering.operator_actions
    ADD CONSTRAINT operator_actions_pkey PRIMARY KEY (id);

CREATE INDEX operator_actions_organization ON metering.operator_actions USING btree (organization_id, id);

CREATE TRIGGER operator_action_immutable BEFORE DELETE OR UPDATE ON metering.operator_actions FOR EACH ROW EXECUTE FUNCTION metering.refuse_change();

CREATE TRIGGER operator_actions_not_truncated BEFORE TRUNCATE ON metering.operator_actions FOR EACH STATEMENT EXECUTE FUNCTION metering.refuse_change();

-- organizations

CREATE TABLE metering.organizations (
    id uuid DEFAULT metering.uuid_v7(clock_timestamp()) NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    external_id text,
    archived_at timestamp with time zone,
    CONSTRAINT organizations_external_id_form CHECK (((external_id ~ '^[A-Za-z0-9._:@-]{1,128}$'::text) AND (external_id !~ '^external:'::text))),
    CONSTRAINT organizations_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200)))
);

COMMENT ON COLUMN metering.organizations.external_id IS 'the operator''s own id for it; null: it has none';

COMMENT ON COLUMN metering.organizations.archived_at IS 'since when it takes no readings, sensors or keys, and its sensors are not counted; null: it is not archived';

ALTER TABLE ONLY metering.organizations
    ADD CONSTRAINT organizations_external_id UNIQUE (external_id);

ALTER TABLE metering.organizations
    ADD CONSTRAINT organizations_finite CHECK (isfinite(created_at)) NOT VALID;

ALTER TABLE ONLY metering.organizations
    ADD CONSTRAINT organizations_pkey PRIMARY KEY (id);

-- processes

CREATE TABLE metering.processes (
    id uuid NOT NULL,
    kind text NOT NULL,
    role_name text DEFAULT CURRENT_USER NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    stopped_at timestamp with time zone,
    transport text,
    rate_per_second double precision,
    rate_per_second_max double precision,
    close_gate text,
    CONSTRAINT processes_close_gate_check CHECK ((close_gate = ANY (ARRAY['off'::text, 'watch'::text, 'hold'::text]))),
    CONSTRAINT processes_kind_check CHECK ((kind = ANY (ARRAY['api'::text, 'worker'::text]))),
    CONSTRAINT processes_rate_per_second_check CHECK ((rate_per_second > (0)::double precision)),
    CONSTRAINT processes_rate_per_second_max_check CHECK ((rate_per_second_max > (0)::double precision)),
    CONSTRAINT processes_transport_check CHECK ((transport = ANY (ARRAY['sync'::text, 'stream'::text, 'none'::text])))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000');

COMMENT ON TABLE metering.processes IS 'one row for each API and worker that was started; the worker deletes those not seen for 30 days';

COMMENT ON COLUMN metering.processes.role_name IS 'the role of the database that the process connects as';

COMMENT ON COLUMN metering.processes.seen_at IS 'its latest heartbeat; one that works writes it every ten seconds';

COMMENT ON COLUMN metering.processes.stopped_at IS 'when it left in order; null while it runs, and for one that was killed';

COMMENT ON COLUMN metering.processes.transport IS 'DELIVERY_TRANSPORT of a worker; null for an API, and for a worker of a version that did not say it';

COMMENT ON COLUMN metering.processes.rate_per_second IS 'meter events that a worker may send a second, at its latest heartbeat; less than the largest after a 429; null: it sends nothing, or is of a version that did not say it';

COMMENT ON COLUMN metering.processes.rate_per_second_max IS 'STRIPE_MAX_EVENTS_PER_SECOND of a worker';

COMMENT ON COLUMN metering.processes.close_gate IS 'CLOSE_GATE of a worker; null for an API, and for a worker of a version that did not say it';

ALTER TABLE ONLY metering.processes
    ADD CONSTRAINT processes_pkey PRIMARY KEY (id);

-- reading_counts

CREATE TABLE metering.reading_counts (
    organization_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    readings bigint NOT NULL,
    CONSTRAINT reading_counts_hour_check CHECK (isfinite(hour))
);

COMMENT ON TABLE metering.reading_counts IS 'how many readings were stored in each UTC hour, by the time in the id of their entry, from usage_progress.readings_from to readings_until; of months that retention has dropped, too';

ALTER TABLE ONLY metering.reading_counts
    ADD CONSTRAINT reading_counts_pkey PRIMARY KEY (organization_id, hour) INCLUDE (readings);

-- readings

CREATE TABLE metering.readings (
    organization_id uuid NOT NULL,
    sensor_id text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    temperature double precision NOT NULL,
    entry_id uuid NOT NULL
)
PARTITION BY RANGE (recorded_at);

COMMENT ON COLUMN metering.readings.temperature IS 'degrees Celsius';

COMMENT ON COLUMN metering.readings.entry_id IS 'the meter_outbox entry that bills this reading; its occurred_at is metering.uuid_v7_time(entry_id)';

ALTER TABLE metering.readings
    ADD CONSTRAINT readings_finite CHECK ((isfinite(recorded_at) AND (temperature > '-Infinity'::double precision) AND (temperature < 'Infinity'::double precision))) NOT VALID;

ALTER TABLE ONLY metering.readings
    ADD CONSTRAINT readings_pkey PRIMARY KEY (organization_id, sensor_id, recorded_at);

CREATE INDEX readings_entry ON ONLY metering.readings USING brin (entry_id) WITH (pages_per_range='32', autosummarize='on');

-- reconcile_reads

CREATE TABLE metering.reconcile_reads (
    day date NOT NULL,
    reads integer DEFAULT 0 NOT NULL,
    put_off integer DEFAULT 0 NOT NULL,
    allowed integer,
    CONSTRAINT reconcile_reads_allowed_check CHECK ((allowed >= 0)),
    CONSTRAINT reconcile_reads_put_off_check CHECK ((put_off >= 0)),
    CONSTRAINT reconcile_reads_reads_check CHECK ((reads >= 0))
);

COMMENT ON TABLE metering.reconcile_reads IS 'reads of Stripe''s sums of each UTC day, by all workers together, and how many the budget put off';

COMMENT ON COLUMN metering.reconcile_reads.allowed IS 'as many as doubt and closing periods may have used up when the last read was made';

ALTER TABLE ONLY metering.reconcile_reads
    ADD CONSTRAINT reconcile_reads_pkey PRIMARY KEY (day);

-- reconcile_requests

CREATE TABLE metering.reconcile_requests (
    organization_id uuid NOT NULL,
    id uuid DEFAULT metering.uuid_v7(clock_timestamp()) NOT NULL,
    cause text DEFAULT 'operator'::text NOT NULL,
    period_from timestamp with time zone NOT NULL,
    period_to timestamp with time zone NOT NULL,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    done_at timestamp with time zone,
    answer jsonb,
    error text,
    CONSTRAINT reconcile_requests_cause_check CHECK ((cause = ANY (ARRAY['operator'::text, 'restore'::text]))),
    CONSTRAINT reconcile_requests_check CHECK ((isfinite(period_from) AND isfinite(period_to) AND (period_from < period_to)))
);

COMMENT ON TABLE metering.reconcile_requests IS 'an operator asks the API or the command line; a worker, who has Stripe''s key, answers';

ALTER TABLE ONLY metering.reconcile_requests
    ADD CONSTRAINT reconcile_requests_pkey PRIMARY KEY (organization_id, id);

CREATE INDEX reconcile_requests_waiting ON metering.reconcile_requests USING btree (asked_at) WHERE (done_at IS NULL);

ALTER TABLE ONLY metering.reconcile_requests
    ADD CONSTRAINT reconcile_requests_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES metering.organizations(id);

-- reconciliations

CREATE TABLE metering.reconciliations (
    organization_id uuid NOT NULL,
    id uuid DEFAULT metering.uuid_v7(clock_timestamp()) NOT NULL,
    meter text NOT NULL,
    stripe_customer_id text NOT NULL,
    window_start timestamp with time zone NOT NULL,
    window_end timestamp with time zone NOT NULL,
    cause text NOT NULL,
    ours numeric NOT NULL,
    doubtful numeric DEFAULT 0 NOT NULL,
    theirs numeric NOT NULL,
    events integer NOT NULL,
    fingerprint text NOT NULL,
    reads integer NOT NULL,
    result text NOT NULL,
    reason text,
    read_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT reconciliations_cause_check CHECK ((cause = ANY (ARRAY['doubt'::text, 'close'::text, 'report'::text, 'restore'::text, 'routine'::text, 'operator'::text]))),
    CONSTRAINT reconciliations_check CHECK ((isfinite(window_start) AND isfinite(window_end) AND (window_start < window_end) AND isfinite(read_at))),
    CONSTRAINT reconciliations_events_check CHECK ((events >= 0)),
    CONSTRAINT reconciliations_reads_check CHECK ((reads >= 0)),
    CONSTRAINT reconciliations_result_check CHECK ((result = ANY (ARRAY['equal'::text, 'settling'::text, 'different'::text])))
);

COMMENT ON TABLE metering.reconciliations IS 'append-only: one row for each window of a customer and meter that was compared with Stripe''s own sum, the widest first';

COMMENT ON COLUMN metering.reconciliations.ours IS 'the fold of the events that are certainly at Stripe';

COMMENT ON COLUMN metering.reconciliations.doubtful IS 'the fold of those that may be, added up';

COMMENT ON COLUMN metering.reconciliations.fingerprint IS 'of the window''s events with their states: two looks with the same one looked at the same events';

COMMENT ON COLUMN metering.reconciliations.reads IS 'what this look cost; 0 for windows that were told by the read of a wider one';

COMMENT ON COLUMN metering.reconciliations.reason IS 'why a window is not compared yet, in one word';

ALTER TABLE ONLY metering.reconciliations
    ADD CONSTRAINT reconciliations_pkey PRIMARY KEY (organization_id, id);

CREATE INDEX reconciliations_different ON metering.reconciliations USING btree (window_end) WHERE (result = 'different'::text);

CREATE INDEX reconciliations_window ON metering.reconciliations USING btree (organization_id, meter, window_end, window_start, read_at);

CREATE TRIGGER reconciliation_immutable BEFORE DELETE OR UPDATE ON metering.reconciliations FOR EACH ROW EXECUTE FUNCTION metering.refuse_change();

CREATE TRIGGER reconciliations_not_truncated BEFORE TRUNCATE ON metering.reconciliations FOR EACH STATEMENT EXECUTE FUNCTION metering.refuse_change();

ALTER TABLE ONLY metering.reconciliations
    ADD CONSTRAINT reconciliations_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES metering.organizations(id);

-- refused_entries

CREATE TABLE metering.refused_entries (
    organization_id uuid NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    meter text NOT NULL,
    quantity bigint NOT NULL,
    refused_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE metering.refused_entries IS 'entries at no real time, found by migration 0022: nothing bills them; to do so, call record_usage with their real time';

ALTER TABLE ONLY metering.refused_entries
    ADD CONSTRAINT refused_entries_pkey PRIMARY KEY (organization_id, occurred_at, id);

-- retention

CREATE TABLE metering.retention (
    table_name text NOT NULL,
    days integer,
    set_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT retention_days_check CHECK ((days >= 70)),
    CONSTRAINT retention_table_name_check CHECK ((table_name = ANY (ARRAY['readings'::text, 'meter_outbox'::text, 'delivery_attempts'::text])))
);

COMMENT ON TABLE metering.retention IS 'how long the workers keep the months of each partitioned table, as their environment says';

COMMENT ON COLUMN metering.retention.days IS 'months that ended longer ago are dropped; null: none ever is';

ALTER TABLE ONLY metering.retention
    ADD CONSTRAINT retention_pkey PRIMARY KEY (table_name);

-- sensor_changes

CREATE TABLE metering.sensor_changes (
    organization_id uuid NOT NULL,
    id uuid DEFAULT metering.uuid_v7(clock_timestamp()) NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE metering.sensor_changes IS 'organizations to be counted soon: the number of active sensors may have changed, or who pays for them';

ALTER TABLE ONLY metering.sensor_changes
    ADD CONSTRAINT sensor_changes_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY metering.sensor_changes
    ADD CONSTRAINT sensor_changes_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES metering.organizations(id);

-- sensor_counts

CREATE TABLE metering.sensor_counts (
    organization_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    active_sensors integer NOT NULL,
    counted_at timestamp with time zone,
    stripe_customer_id text,
    CONSTRAINT sensor_counts_active_sensors_check CHECK ((active_sensors >= 0))
)
WITH (autovacuum_vacuum_insert_scale_factor='0.05', autovacuum_freeze_min_age='0');

COMMENT ON COLUMN metering.sensor_counts.counted_at IS 'when the number was last found changed in this hour; null: counted by a version that counted once an hour';

COMMENT ON COLUMN metering.sensor_counts.stripe_customer_id IS 'who was to pay for this count';

ALTER TABLE metering.sensor_counts
    ADD CONSTRAINT sensor_counts_finite CHECK (isfinite(hour)) NOT VALID;

ALTER TABLE ONLY metering.sensor_counts
    ADD CONSTRAINT sensor_counts_pkey PRIMARY KEY (organization_id, hour);

ALTER TABLE ONLY metering.sensor_counts
    ADD CONSTRAINT sensor_counts_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES metering.organizations(id);

-- sensors

CREATE TABLE metering.sensors (
    organization_id uuid NOT NULL,
    id text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    registered_at timestamp with time zone DEFAULT now() NOT NULL,
    deactivated_at timestamp with time zone,
    CONSTRAINT sensors_id_check CHECK ((id ~ '^[A-Za-z0-9._:-]{1,128}$'::text)),
    CONSTRAINT sensors_name_check CHECK ((length(name) <= 200))
);

COMMENT ON COLUMN metering.sensors.id IS 'the customer''s own name for the sensor';

COMMENT ON COLUMN metering.sensors.deactivated_at IS 'null while the sensor is active';

ALTER TABLE metering.sensors
    ADD CONSTRAINT sensors_finite CHECK ((isfinite(registered_at) AND isfinite(deactivated_at))) NOT VALID;

ALTER TABLE ONLY metering.sensors
    ADD CONSTRAINT sensors_pkey PRIMARY KEY (organization_id, id);

CREATE TRIGGER sensors_deleted AFTER DELETE ON metering.sensors REFERENCING OLD TABLE AS old_sensors FOR EACH STATEMENT EXECUTE FUNCTION metering.note_sensor_changes();

CREATE TRIGGER sensors_inserted AFTER INSERT ON metering.sensors REFERENCING NEW TABLE AS new_sensors FOR EACH STATEMENT EXECUTE FUNCTION metering.note_sensor_changes();

CREATE TRIGGER sensors_updated AFTER UPDATE ON metering.sensors REFERENCING OLD TABLE AS old_sensors NEW TABLE AS new_sensors FOR EACH STATEMENT EXECUTE FUNCTION metering.note_sensor_changes();

ALTER TABLE ONLY metering.sensors
    ADD CONSTRAINT sensors_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES metering.organizations(id);

-- stripe_events

CREATE TABLE metering.stripe_events (
    event_id text NOT NULL,
    event_type text NOT NULL,
    livemode boolean NOT NULL,
    payload jsonb NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    handled_at timestamp with time zone,
    error text,
    dismissed_at timestamp with time zone,
    dismissed_because text,
    CONSTRAINT stripe_events_check CHECK (((handled_at IS NOT NULL) = (state = 'handled'::text))),
    CONSTRAINT stripe_events_event_id_check CHECK (((length(event_id) >= 1) AND (length(event_id) <= 255))),
    CONSTRAINT stripe_events_event_type_check CHECK (((length(event_type) >= 1) AND (length(event_type) <= 255)))
);

COMMENT ON COLUMN metering.stripe_events.state IS 'pending: waits or is retried; handled: took effect once; failed: the dead letter, replayable; refused: of the other mode (live or test) than the key; dismissed: an operator said that it needs no effect, replayable';

COMMENT ON COLUMN metering.stripe_events.attempts IS 'how often its handling began, without the attempts that Stripe could not answer';

COMMENT ON COLUMN metering.stripe_events.dismissed_because IS 'the operator''s reason';

ALTER TABLE metering.stripe_events
    ADD CONSTRAINT stripe_events_dismissed CHECK ((((state = 'dismissed'::text) = (dismissed_at IS NOT NULL)) AND ((state = 'dismissed'::text) = (dismissed_because IS NOT NULL)) AND isfinite(dismissed_at) AND ((length(dismissed_because) >= 1) AND (length(dismissed_because) <= 500)))) NOT VALID;

ALTER TABLE metering.stripe_events
    ADD CONSTRAINT stripe_events_finite CHECK ((isfinite(received_at) AND isfinite(handled_at))) NOT VALID;

ALTER TABLE ONLY metering.stripe_events
    ADD CONSTRAINT stripe_events_pkey PRIMARY KEY (event_id);

ALTER TABLE metering.stripe_events
    ADD CONSTRAINT stripe_events_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'handled'::text, 'failed'::text, 'refused'::text, 'dismissed'::text]))) NOT VALID;

CREATE INDEX stripe_events_open ON metering.stripe_events USING btree (state, received_at) WHERE (state <> 'handled'::text);

CREATE INDEX stripe_events_received ON metering.stripe_events USING btree (received_at);

-- subscriptions

CREATE TABLE metering.subscriptions (
    organization_id uuid NOT NULL,
    stripe_customer_id text,
    stripe_subscription_id text,
    status text NOT NULL,
    current_period_start timestamp with time zone,
    current_period_end timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    read_began_at timestamp with time zone,
    customer_fault text,
    read_wanted_at timestamp with time zone,
    billed tstzmultirange,
    other_bounds timestamp with time zone[],
    CONSTRAINT subscriptions_check CHECK ((current_period_start < current_period_end)),
    CONSTRAINT subscriptions_customer_fault_check CHECK ((customer_fault = ANY (ARRAY['unknown'::text, 'other_mode'::text, 'deleted'::text]))),
    CONSTRAINT subscriptions_status_check CHECK (((length(status) >= 1) AND (length(status) <= 64))),
    CONSTRAINT subscriptions_stripe_customer_id_check CHECK (((length(stripe_customer_id) >= 1) AND (length(stripe_customer_id) <= 255))),
    CONSTRAINT subscriptions_stripe_subscription_id_check CHECK (((length(stripe_subscription_id) >= 1) AND (length(stripe_subscription_id) <= 255)))
);

COMMENT ON COLUMN metering.subscriptions.stripe_customer_id IS 'null: usage of the organization is held in the outbox';

COMMENT ON COLUMN metering.subscriptions.status IS 'Stripe''s own word; the list is open, so any word is stored';

COMMENT ON COLUMN metering.subscriptions.read_began_at IS 'when the read of Stripe''s object that this row holds began; an older read never overwrites it';

COMMENT ON COLUMN metering.subscriptions.customer_fault IS 'what Stripe says is wrong with the customer that an operator linked; null: nothing, or not asked yet';

COMMENT ON COLUMN metering.subscriptions.read_wanted_at IS 'since then a worker is to read the customer at Stripe: an operator linked it, or nothing told of one of its invoices';

COMMENT ON COLUMN metering.subscriptions.billed IS 'when usage lies on an invoice of a subscription that bills our meters, as Stripe last said; null: never read';

COMMENT ON COLUMN metering.subscriptions.other_bounds IS 'where present periods of other subscription items of our meters begin and end, and where subscriptions of our meters ended; null: nowhere else than the followed one';

ALTER TABLE metering.subscriptions
    ADD CONSTRAINT subscriptions_finite CHECK ((isfinite(current_period_start) AND isfinite(current_period_end) AND isfinite(updated_at) AND isfinite(read_began_at))) NOT VALID;

ALTER TABLE ONLY metering.subscriptions
    ADD CONSTRAINT subscriptions_pkey PRIMARY KEY (organization_id);

CREATE INDEX subscriptions_customer ON metering.subscriptions USING btree (stripe_customer_id);

CREATE INDEX subscriptions_read_wanted ON metering.subscriptions USING btree (read_wanted_at) WHERE (read_wanted_at IS NOT NULL);

CREATE TRIGGER billing_period_noted AFTER INSERT OR UPDATE OF stripe_customer_id, stripe_subscription_id, current_period_start, current_period_end ON metering.subscriptions FOR EACH ROW EXECUTE FUNCTION metering.note_billing_period();

CREATE TRIGGER claim_customer BEFORE INSERT OR UPDATE OF stripe_customer_id ON metering.subscriptions FOR EACH ROW EXECUTE FUNCTION metering.claim_customer();

CREATE TRIGGER customer_linked AFTER INSERT OR DELETE OR UPDATE OF stripe_customer_id ON metering.subscriptions FOR EACH ROW EXECUTE FUNCTION metering.write_customer_link();

CREATE TRIGGER subscription_changed AFTER UPDATE ON metering.subscriptions FOR EACH ROW WHEN (((new.stripe_customer_id IS NOT NULL) AND ((((old.stripe_customer_id IS DISTINCT FROM new.stripe_customer_id) OR (old.stripe_subscription_id IS DISTINCT FROM new.stripe_subscription_id)) OR (old.status IS DISTINCT FROM new.status)) OR (old.current_period_start IS DISTINCT FROM new.current_period_start)))) EXECUTE FUNCTION metering.note_link_change();

CREATE TRIGGER subscription_inserted AFTER INSERT ON metering.subscriptions FOR EACH ROW WHEN ((new.stripe_customer_id IS NOT NULL)) EXECUTE FUNCTION metering.note_link_change();

ALTER TABLE ONLY metering.subscriptions
    ADD CONSTRAINT subscriptions_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES metering.organizations(id);

-- usage_keys

CREATE TABLE metering.usage_keys (
    organization_id uuid NOT NULL,
    idempotency_key text NOT NULL,
    entry_id uuid NOT NULL,
    meter text NOT NULL,
    quantity bigint NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE metering.usage_keys IS 'what was recorded under each key; a row may be deleted once nobody repeats its call any more';

COMMENT ON COLUMN metering.usage_keys.entry_id IS 'the meter_outbox entry; its occurred_at is metering.uuid_v7_time(entry_id)';

ALTER TABLE metering.usage_keys
    ADD CONSTRAINT usage_keys_finite CHECK (isfinite(recorded_at)) NOT VALID;

ALTER TABLE ONLY metering.usage_keys
    ADD CONSTRAINT usage_keys_pkey PRIMARY KEY (organization_id, idempotency_key);

CREATE INDEX usage_keys_entry ON metering.usage_keys USING btree (organization_id, entry_id);

-- usage_progress

CREATE TABLE metering.usage_progress (
    is_only boolean DEFAULT true NOT NULL,
    events_through_id uuid NOT NULL,
    readings_from timestamp with time zone,
    readings_until timestamp with time zone,
    CONSTRAINT usage_progress_check CHECK (((readings_from IS NULL) = (readings_until IS NULL))),
    CONSTRAINT usage_progress_is_only_check CHECK (is_only),
    CONSTRAINT usage_progress_readings_from_check CHECK (isfinite(readings_from)),
    CONSTRAINT usage_progress_readings_until_check CHECK (isfinite(readings_until))
);

COMMENT ON TABLE metering.usage_progress IS 'one row: how far usage_sums and reading_counts go';

ALTER TABLE ONLY metering.usage_progress
    ADD CONSTRAINT usage_progress_pkey PRIMARY KEY (is_only);

-- usage_sums

CREATE TABLE metering.usage_sums (
    organization_id uuid NOT NULL,
    meter text NOT NULL,
    unit text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    stripe_customer_id text NOT NULL,
    events bigint NOT NULL,
    entries bigint NOT NULL,
    quantity numeric NOT NULL,
    before_15 numeric,
    before_30 numeric,
    before_45 numeric,
    CONSTRAINT usage_sums_before_check CHECK ((((before_15 IS NULL) = (before_30 IS NULL)) AND ((before_30 IS NULL) = (before_45 IS NULL)) AND ((before_15 IS NULL) OR (unit = 'hour'::text)))),
    CONSTRAINT usage_sums_starts_at_check CHECK (isfinite(starts_at)),
    CONSTRAINT usage_sums_unit_check CHECK ((unit = ANY (ARRAY['hour'::text, 'day'::text])))
);

COMMENT ON TABLE metering.usage_sums IS 'meter events that were sealed from entries, with ids up to usage_progress.events_through_id, whatever their state, added up by their UTC hour and day';

COMMENT ON COLUMN metering.usage_sums.entries IS 'how many entries these events fold';

COMMENT ON COLUMN metering.usage_sums.before_15 IS 'of an hour of a meter that is a sum: how much its entries used before its 15th minute; null where they do not tell';

COMMENT ON COLUMN metering.usage_sums.before_30 IS 'the same, before its 30th minute';

COMMENT ON COLUMN metering.usage_sums.before_45 IS 'the same, before its 45th minute';

ALTER TABLE ONLY metering.usage_sums
    ADD CONSTRAINT usage_sums_pkey PRIMARY KEY (organization_id, meter, unit, starts_at, stripe_customer_id) INCLUDE (events, entries, quantity, before_15, before_30, before_45);

-- functions and views

CREATE FUNCTION metering.add_up_meter_events() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_sort TO 'off'
    AS $$
declare
  settled_after constant interval := interval '1 hour';
  events_max constant integer := 100000;
  settled_before constant uuid := metering.uuid_v7(now() - settled_after);
  total metering.meter_event_total;
  added record;
begin
  select * into total from metering.meter_event_total for update skip locked;
  -- Another worker is at it.
  if not found then
    return 0;
  end if;
  select count(*)::integer as events, sum(page.quantity) as quantity, (array_agg(page.id order by page.id desc))[1] as last_id
  into added
  from (
    select m.id, m.quantity
    from metering.meter_events m
    where m.id > total.through_id and m.id < settled_before
    order by m.id
    limit events_max
  ) page;
  if added.events > 0 then
    update metering.meter_event_total
    set through_id = added.last_id, events = total.events + added.events, quantity = total.quantity + added.quantity;
  end if;
  return added.events;
end
$$;

COMMENT ON FUNCTION metering.add_up_meter_events() IS 'adds meter events of more than an hour ago to meter_event_total, 100,000 at most; returns how many';

CREATE FUNCTION metering.add_up_usage() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_sort TO 'off'
    AS $$
declare
  settled_after constant interval := interval '1 hour';
  events_max constant integer := 100000;
  entries_max constant integer := 1000000;
  settled_before constant uuid := metering.uuid_v7(date_trunc('hour', now() - settled_after, 'UTC'));
  through_id uuid;
  added record;
begin
  select p.events_through_id into through_id from metering.usage_progress p for update skip locked;
  -- Another worker is at it.
  if not found then
    return 0;
  end if;
  select count(*)::integer as events, (array_agg(page.id order by page.id desc))[1] as last_id into added
  from (
    select next.id, sum(next.entries) over (order by next.id) - next.entries as entries_before
    from (
      select m.id, m.entries
      from metering.meter_events m
      where m.id > through_id and m.id < settled_before
      order by m.id
      limit events_max
    ) next
  ) page
  where page.entries_before < entries_max;
  if added.events = 0 then
    return 0;
  end if;
  insert into metering.usage_sums as s
    (organization_id, meter, unit, starts_at, stripe_customer_id, events, entries, quantity, before_15, before_30, before_45)
  select t.organization_id, t.meter, u.unit, date_trunc(u.unit, t.hour, 'UTC'), t.stripe_customer_id, count(*),
    sum(t.entries), sum(t.quantity),
    case when u.unit = 'hour' and bool_and(t.is_told) then sum(t.before_15) end,
    case when u.unit = 'hour' and bool_and(t.is_told) then sum(t.before_30) end,
    case when u.unit = 'hour' and bool_and(t.is_told) then sum(t.before_45) end
  from (
    select m.*, coalesce(told.entries = m.entries and told.quantity = m.quantity and told.is_of_hour, false) as is_told,
      coalesce(told.before_15, 0) as before_15, coalesce(told.before_30, 0) as before_30,
      coalesce(told.before_45, 0) as before_45
    from (
      select m.organization_id, m.id, m.meter, m.hour, m.stripe_customer_id, m.entries, m.quantity
      from metering.meter_events m
      where m.id > through_id and m.id <= added.last_id and m.replaces_id is null and m.carried_from is null
      order by m.id
    ) m
    left join metering.meters k on k.name = m.meter
    left join lateral (
      select e.organization_id, count(*) as entries, sum(e.quantity) as quantity,
        bool_and(date_trunc('hour', e.occurred_at, 'UTC') = m.hour) as is_of_hour,
        sum(e.quantity) filter (where e.occurred_at < m.hour + interval '15 minutes') as before_15,
        sum(e.quantity) filter (where e.occurred_at < m.hour + interval '30 minutes') as before_30,
        sum(e.quantity) filter (where e.occurred_at < m.hour + interval '45 minutes') as before_45
      from metering.meter_outbox e
      -- Without a time, which would offer the key of the outbox: all entries of the hour, for each of its events.
      where k.aggregation = 'sum' and e.organization_id = m.organization_id and e.meter_event_id = m.id
      group by e.organization_id
    ) told on told.organization_id = m.organization_id
  ) t
  cross join (values ('hour'), ('day')) u (unit)
  group by t.organization_id, t.meter, u.unit, date_trunc(u.unit, t.hour, 'UTC'), t.stripe_customer_id
  on conflict (organization_id, meter, unit, starts_at, stripe_customer_id) do update
  set events = s.events + excluded.events, entries = s.entries + excluded.entries, quantity = s.quantity + excluded.quantity,
    before_15 = s.before_15 + excluded.before_15, before_30 = s.before_30 + excluded.before_30,
    before_45 = s.before_45 + excluded.before_45;
  update metering.usage_progress set events_through_id = added.last_id;
  return added.events;
end
$$;

COMMENT ON FUNCTION metering.add_up_usage() IS 'adds meter events of hours that are over for an hour to usage_sums, 100,000 at most; returns how many';

CREATE FUNCTION metering.carry_delivered(late_organization_id uuid, late_customer text, late_start timestamp with time zone, late_meter text, late_quantity bigint, late_entries integer) RETURNS TABLE(organization_id uuid, id uuid, meter text, stripe_customer_id text)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into metering.meter_events (
    organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, carried_from
  )
  values (
    late_organization_id, metering.uuid_v7(clock_timestamp()), late_meter, date_trunc('hour', now(), 'UTC'), late_quantity,
    now(), late_entries, late_customer, late_start
  )
  returning organization_id, id, meter, stripe_customer_id
$$;

COMMENT ON FUNCTION metering.carry_delivered(late_organization_id uuid, late_customer text, late_start timestamp with time zone, late_meter text, late_quantity bigint, late_entries integer) IS 'sends usage once more that Stripe counted after its invoice was final; the caller holds the billing period locked';

CREATE FUNCTION metering.carry_unsent(late_organization_id uuid, late_customer text, late_start timestamp with time zone, late_end timestamp with time zone, late_meters text[]) RETURNS TABLE(organization_id uuid, id uuid, meter text, stripe_customer_id text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  carried_max constant integer := 1000;
  old_ids uuid[];
  new_ids uuid[];
begin
  select array_agg(u.id) into old_ids
  from (
    select m.id
    from metering.meter_events m
    where m.organization_id = late_organization_id and m.stripe_customer_id = late_customer
      and m.meter = any(late_meters)
      and m.hour > late_start - interval '1 hour' and m.hour < late_end
      and m.event_at >= late_start and m.event_at < late_end
      -- No attempt can have brought it to Stripe. What Stripe had counted of events that it replaces stays in its own time.
      and m.state = 'pending' and m.attempts_started = m.attempts_finished and m.first_unknown_at is null
      and m.counted_before = 0
    order by m.id
    limit carried_max
    for update
  ) u;
  if old_ids is null then
    return;
  end if;
  new_ids := array(select metering.uuid_v7(clock_timestamp()) from unnest(old_ids));
  -- Each names the organization, so that a cluster does it on its shard alone.
  update metering.meter_events m
  set state = 'superseded', reason = 'carried_forward', replaced_by_id = g.new_id
  from unnest(old_ids, new_ids) g (id, new_id)
  where m.organization_id = late_organization_id and m.id = g.id;
  return query
  insert into metering.meter_events as n (
    organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, carried_from
  )
  select
    s.organization_id, s.replaced_by_id, s.meter, date_trunc('hour', now(), 'UTC'), s.quantity, now(), s.entries,
    s.stripe_customer_id, s.id, late_start
  from metering.meter_events s
  where s.organization_id = late_organization_id and s.id = any(old_ids)
  returning n.organization_id, n.id, n.meter, n.stripe_customer_id;
end;
$$;

COMMENT ON FUNCTION metering.carry_unsent(late_organization_id uuid, late_customer text, late_start timestamp with time zone, late_end timestamp with time zone, late_meters text[]) IS 'gives pending usage of a closed period new meter events of now, 1,000 at most; the caller makes their jobs in the same transaction';

CREATE FUNCTION metering.claim_customer() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  owner uuid;
begin
  if new.stripe_customer_id is null or (tg_op = 'UPDATE' and new.stripe_customer_id = old.stripe_customer_id) then
    return new;
  end if;
  perform pg_advisory_xact_lock(hashtext('metering.claim_customer'));
  -- A statement of its own, so it sees what was committed before the lock was had.
  select s.organization_id into owner
  from metering.subscriptions s
  where s.stripe_customer_id = new.stripe_customer_id and s.organization_id <> new.organization_id
  limit 1;
  if found then
    raise exception 'the Stripe customer belongs to another organization'
      using errcode = 'unique_violation', constraint = 'one_organization_per_customer', detail = owner::text;
  end if;
  return new;
end
$$;

COMMENT ON FUNCTION metering.claim_customer() IS 'refuses a customer that another organization has, with unique_violation of one_organization_per_customer; the detail is the other''s id';

CREATE FUNCTION metering.count_readings() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  settled_after constant interval := interval '1 hour';
  progress metering.usage_progress;
  next_hour timestamptz;
  -- The smallest ids of the hour and of the one after it.
  first_id uuid;
  end_id uuid;
begin
  select * into progress from metering.usage_progress for update skip locked;
  -- Another worker is at it.
  if not found then
    return false;
  end if;
  next_hour := progress.readings_until;
  if next_hour is null then
    -- Of organizations with a subscription; a reader counts what is older.
    select date_trunc('hour', min(oldest.occurred_at), 'UTC') into next_hour
    from metering.subscriptions o
    cross join lateral (
      select e.occurred_at
      from metering.meter_outbox e
      where e.organization_id = o.organization_id
      order by e.occurred_at
      limit 1
    ) oldest;
  end if;
  if next_hour is null or next_hour + interval '1 hour' + settled_after > now() then
    return false;
  end if;
  first_id := (lpad(to_hex(extract(epoch from next_hour)::bigint * 1000), 12, '0') || '70000000000000000000')::uuid;
  end_id := (lpad(to_hex((extract(epoch from next_hour)::bigint + 3600) * 1000), 12, '0') || '70000000000000000000')::uuid;
  insert into metering.reading_counts (organization_id, hour, readings)
  select r.organization_id, next_hour, count(*)
  from metering.readings r
  where r.entry_id >= first_id and r.entry_id < end_id
  group by r.organization_id;
  update metering.usage_progress
  set readings_from = coalesce(readings_from, next_hour), readings_until = next_hour + interval '1 hour';
  return true;
end
$$;

COMMENT ON FUNCTION metering.count_readings() IS 'counts the readings of the next hour that is over for an hour into reading_counts; returns whether there was one';

CREATE FUNCTION metering.count_what_keeps(table_name text, month timestamp with time zone, OUT unsealed bigint, OUT open_events bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
declare
  child constant text := metering.partition_name(count_what_keeps.table_name, count_what_keeps.month);
  until constant timestamptz := count_what_keeps.month + interval '1 month';
  -- What open events replace, from the first: whose entries they stand for.
  versions record;
  replaced_of uuid[] := '{}';
  replaced_ids uuid[] := '{}';
  replaced_open uuid[] := '{}';
begin
  -- What replaces others counts the entries of the first.
  select array_agg(m.organization_id) as of, array_agg(m.id) as ids, array_agg(m.id) as open into versions
  from (
    select organization_id, id from metering.meter_events where state = 'pending' and replaces_id is not null
    union all
    select organization_id, id from metering.meter_events
    where state in ('in_doubt', 'rejected') and replaces_id is not null
  ) m;
  while versions.ids is not null loop
    select array_agg(o.organization_id) as of, array_agg(o.id) as ids, array_agg(v.open_id) as open into versions
    from unnest(versions.of, versions.ids, versions.open) v (organization_id, id, open_id)
    join metering.meter_events o on o.organization_id = v.organization_id and o.replaced_by_id = v.id;
    replaced_of := replaced_of || versions.of;
    replaced_ids := replaced_ids || versions.ids;
    replaced_open := replaced_open || versions.open;
  end loop;
  case count_what_keeps.table_name
  when 'meter_outbox' then
    execute format('select count(*) from metering.%I where meter_event_id is null', child) into unsealed;
    -- An event lies in the hour of all its entries, but for usage that was carried forward: that lies in the hour of the
    -- event that it replaces. Two reads, each by the partial index of its states.
    select count(distinct e.id) into open_events
    from (
      select id, hour from metering.meter_events where state = 'pending'
      union all
      select id, hour from metering.meter_events where state in ('in_doubt', 'rejected')
      union all
      select v.open_id, m.hour
      from unnest(replaced_of, replaced_ids, replaced_open) v (organization_id, id, open_id)
      join metering.meter_events m on m.organization_id = v.organization_id and m.id = v.id
    ) e
    where e.hour >= count_what_keeps.month and e.hour < until;
  when 'delivery_attempts' then
    unsealed := 0;
    execute format($q$
      select count(*)
      from (
        select organization_id, id from metering.meter_events where state = 'pending'
        union all
        select organization_id, id from metering.meter_events where state in ('in_doubt', 'rejected')
      ) e
      where exists (
        select 1 from metering.%I a where a.organization_id = e.organization_id and a.meter_event_id = e.id
      )
    $q$, child) into open_events;
  when 'readings' then
    -- From the few that are open to their readings, whenever they were taken in.
    execute format($q$
      with open_event as (
        select organization_id, id from metering.meter_events where state = 'pending'
        union all
        select organization_id, id from metering.meter_events where state in ('in_doubt', 'rejected')
      ),
      open_entry as (
        select organization_id, id, null::uuid as open_id from metering.meter_outbox where meter_event_id is null
        union all
        select e.organization_id, e.id, o.id
        from open_event o
        join metering.meter_outbox e on e.organization_id = o.organization_id and e.meter_event_id = o.id
        union all
        select e.organization_id, e.id, v.open_id
        from unnest($1, $2, $3) v (organization_id, id, open_id)
        join metering.meter_outbox e on e.organization_id = v.organization_id and e.meter_event_id = v.id
      )
      select count(*) filter (where o.open_id is null), count(distinct o.open_id)
      from open_entry o
      where exists (
        select 1 from metering.%I r where r.organization_id = o.organization_id and r.entry_id = o.id
      )
    $q$, child) into unsealed, open_events using replaced_of, replaced_ids, replaced_open;
  end case;
end
$_$;

CREATE FUNCTION metering.create_partition(table_name text, month timestamp with time zone) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET lock_timeout TO '10s'
    AS $$
declare
  tries constant integer := 3;
  seconds_between constant double precision := 1;
  child constant text := metering.partition_name(create_partition.table_name, create_partition.month);
begin
  -- Asks the table, as to_regclass would answer from a cache that waiting for an advisory lock does not refresh.
  if exists (select from pg_class c where c.relname = child and c.relnamespace = 'metering'::regnamespace) then
    return null;
  end if;
  -- Two processes that both miss the partition meet here; the second finds it made.
  perform pg_advisory_xact_lock(hashtext('metering.partitions'));
  if exists (select from pg_class c where c.relname = child and c.relnamespace = 'metering'::regnamespace) then
    return null;
  end if;
  if exists (
    select from metering.dropped_partitions d
    where d.table_name = create_partition.table_name and d.month = create_partition.month
  ) then
    raise exception '% was dropped by retention and is not opened again', child
      using errcode = 'object_not_in_prerequisite_state',
        hint = 'READINGS_MAX_AGE_DAYS reaches back to readings that are not kept any more; make it smaller.';
  end if;
  perform set_config('lock_timeout', '200ms', true);
  for try in 1..tries loop
    begin
      execute format(
        'create table metering.%I (like metering.%I including defaults including constraints) with (%s)',
        child, create_partition.table_name, metering.storage_parameters(create_partition.table_name)
      );
      execute format(
        'alter table metering.%I attach partition metering.%I for values from (%L) to (%L)',
        create_partition.table_name, child, create_partition.month, create_partition.month + interval '1 month'
      );
      return child;
    exception when lock_not_available then
      if try = tries then
        raise;
      end if;
    end;
    perform pg_sleep(seconds_between);
  end loop;
end
$$;

COMMENT ON FUNCTION metering.create_partition(table_name text, month timestamp with time zone) IS 'makes the partition of a partitioned table for one UTC month with its owner''s rights; null when it was there';

CREATE FUNCTION metering.cut_over(of_organization uuid, wanted timestamp with time zone, may_move boolean, is_rehearsal boolean, meters text[]) RETURNS TABLE(outcome text, cut_at timestamp with time zone, meter text, marked bigint, marked_quantity numeric, maybe_counted bigint, under_way bigint, unsealed bigint, unsealed_quantity numeric, sent bigint, sent_quantity numeric)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  -- Longer than any attempt: one that is older ended with its worker.
  attempt_max constant interval := interval '15 minutes';
  known timestamptz;
  cut timestamptz;
  done text := 'kept';
begin
  perform pg_advisory_xact_lock(hashtext('metering.seal'));
  select c.cut_at into known from metering.cut_overs c where c.organization_id = of_organization for update;
  cut := known;
  if known is null then
    cut := wanted;
    done := 'cut';
  elsif wanted > known and may_move then
    -- What was sent after the cut cannot be unsent.
    if exists (
      select from metering.meter_events m
      where m.organization_id = of_organization and m.meter = any(meters)
        and m.hour >= date_trunc('hour', known, 'UTC') and m.hour < wanted
        and m.event_at >= known and m.event_at < wanted and m.attempts_started > 0
    ) then
      done := 'sent_since';
    else
      cut := wanted;
      done := 'moved';
    end if;
  end if;
  if cut is null then
    return;
  end if;
  return query
    with open as materialized (
      select m.meter, m.quantity, m.state, m.first_unknown_at,
        m.state = 'pending' and m.attempts_started > m.attempts_finished
          and m.last_attempt_at > now() - attempt_max as is_under_way
      from metering.meter_events m
      where m.organization_id = of_organization and m.meter = any(meters) and m.hour < cut and m.event_at < cut
        and m.state in ('pending', 'in_doubt', 'rejected')
    ),
    -- Of a billing period, as far as one may still count.
    settled as materialized (
      select m.meter, m.quantity
      from metering.meter_events m
      where m.organization_id = of_organization and m.meter = any(meters) and m.state = 'delivered'
        and m.hour >= cut - interval '35 days' and m.hour < cut and m.event_at < cut
    ),
    waiting as materialized (
      select e.meter, e.quantity
      from metering.meter_outbox e
      where e.organization_id = of_organization and e.meter = any(meters) and e.meter_event_id is null
        and e.occurred_at < cut
    )
    select
      done, cut, k.meter,
      (select count(*) from open o where o.meter = k.meter and not o.is_under_way),
      (select coalesce(sum(o.quantity), 0) from open o where o.meter = k.meter and not o.is_under_way),
      (
        select count(*) from open o
        where o.meter = k.meter and not o.is_under_way and (o.state = 'in_doubt' or o.first_unknown_at is not null)
      ),
      (select count(*) from open o where o.meter = k.meter and o.is_under_way),
      (select count(*) from waiting w where w.meter = k.meter),
      (select coalesce(sum(w.quantity), 0) from waiting w where w.meter = k.meter),
      (select count(*) from settled s where s.meter = k.meter),
      (select coalesce(sum(s.quantity), 0) from settled s where s.meter = k.meter)
    from unnest(meters) with ordinality k (meter, place)
    order by k.place;
  if is_rehearsal then
    return;
  end if;
  insert into metering.cut_overs as c (organization_id, cut_at, set_at)
  values (of_organization, cut, now())
  on conflict (organization_id) do update set cut_at = excluded.cut_at, set_at = excluded.set_at
  where c.cut_at <> excluded.cut_at;
  update metering.meter_events m
  set state = 'superseded', reason = 'billed_elsewhere'
  where m.organization_id = of_organization and m.meter = any(meters) and m.hour < cut and m.event_at < cut
    and m.state in ('pending', 'in_doubt', 'rejected')
    and not (
      m.state = 'pending' and m.attempts_started > m.attempts_finished
      and m.last_attempt_at > now() - attempt_max
    );
end
$$;

COMMENT ON FUNCTION metering.cut_over(of_organization uuid, wanted timestamp with time zone, may_move boolean, is_rehearsal boolean, meters text[]) IS 'usage of an organization before a time was billed elsewhere: none of it is sent from now on; tells how much, by meter';

CREATE FUNCTION metering.drop_partition(table_name text, month timestamp with time zone, OUT outcome text, OUT dropped_rows bigint, OUT unsealed bigint, OUT open_events bigint) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET lock_timeout TO '200ms'
    AS $$
declare
  age_min constant interval := interval '70 days';
  -- Longer than any transaction of intake or seal. What was written since may not be in the sums yet.
  quiet_for constant interval := interval '1 hour';
  tries constant integer := 3;
  seconds_between constant double precision := 1;
  child constant text := metering.partition_name(drop_partition.table_name, drop_partition.month);
  is_table_locked boolean := false;
begin
  if drop_partition.month + interval '1 month' > now() - age_min then
    raise exception '% ended less than % ago', child, age_min using errcode = 'invalid_parameter_value';
  end if;
  dropped_rows := 0;
  unsealed := 0;
  open_events := 0;
  -- One at a time; a second run leaves it to the first.
  if not pg_try_advisory_xact_lock(hashtext('metering.retention')) then
    outcome := 'busy';
    return;
  end if;
  if not exists (
    select from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = format('metering.%I', drop_partition.table_name)::regclass
      and c.relname = child and c.relnamespace = 'metering'::regnamespace
  ) then
    outcome := 'absent';
    return;
  end if;
  select k.unsealed, k.open_events into unsealed, open_events
  from metering.count_what_keeps(drop_partition.table_name, drop_partition.month) k;
  if unsealed + open_events > 0 then
    outcome := 'kept';
    return;
  end if;
  if metering.is_written(drop_partition.table_name, drop_partition.month, clock_timestamp() - quiet_for) then
    outcome := 'written';
    return;
  end if;

  begin
    dropped_rows := metering.write_down(drop_partition.table_name, drop_partition.month);
    for try in 1..tries loop
      begin
        is_table_locked := false;
        execute format('lock table only metering.%I in access exclusive mode', drop_partition.table_name);
        is_table_locked := true;
        if metering.is_written(drop_partition.table_name, drop_partition.month, clock_timestamp() - quiet_for) then
          raise lock_not_available using message = format('%s was written to meanwhile', child);
        end if;
        execute format('alter table metering.%I detach partition metering.%I', drop_partition.table_name, child);
        execute format('drop table metering.%I', child);
        outcome := 'dropped';
        return;
      exception when lock_not_available then
        if try = tries then
          raise;
        end if;
      end;
      perform pg_sleep(seconds_between);
    end loop;
  exception when lock_not_available then
    -- A session that holds the table holds its other months too.
    outcome := case when is_table_locked then 'month_busy' else 'busy' end;
    dropped_rows := 0;
  end;
end
$$;

COMMENT ON FUNCTION metering.drop_partition(table_name text, month timestamp with time zone, OUT outcome text, OUT dropped_rows bigint, OUT unsealed bigint, OUT open_events bigint) IS 'drops the partition of a partitioned table for one UTC month with its owner''s rights, when all in it is final';

CREATE FUNCTION metering.give_way_to_period() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  delete from metering.billing_periods p
  where p.organization_id = new.organization_id and p.stripe_customer_id = new.stripe_customer_id
    and p.stripe_subscription_id is null
    and p.period_start > new.period_start and p.period_start < new.period_end
    and not exists (
      select from metering.billing_invoices i
      where i.organization_id = p.organization_id and i.period_start = p.period_start
    );
  update metering.billing_periods p
  set period_end = new.period_start
  where p.organization_id = new.organization_id and p.stripe_customer_id = new.stripe_customer_id
    and p.stripe_subscription_id is null
    and p.period_start < new.period_start and p.period_end > new.period_start
    and not exists (
      select from metering.billing_invoices i
      where i.organization_id = p.organization_id and i.period_start = p.period_start
    );
  return null;
end
$$;

COMMENT ON FUNCTION metering.give_way_to_period() IS 'removes or ends periods of the same customer without a subscription and without an invoice that overlap the new one';

CREATE FUNCTION metering.guard_meter_event_state() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if not (
    old.state = 'pending'
    or old.state = 'in_doubt' and new.state in ('delivered', 'pending', 'superseded', 'rejected', 'expired')
    or old.state = 'delivered' and new.state = 'rejected'
    or old.state = 'delivered' and new.state = 'superseded' and old.reconcile_since is not null
    or old.state = 'rejected' and new.state in ('pending', 'in_doubt', 'superseded', 'expired')
  ) then
    raise exception 'meter event % cannot go from % to %', old.id, old.state, new.state
      using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;

CREATE FUNCTION metering.hold_shards(organizations uuid[]) RETURNS bigint[]
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  shards constant bigint[] := array(
    select get_shard_id_for_distribution_column('metering.readings', o.id)
    from unnest(organizations) with ordinality as o (id, n)
    order by o.n
  );
  held constant bigint[] := array(select distinct s.id from unnest(shards) as s (id) order by s.id);
  found_here integer;
begin
  -- Nothing is deleted: the table is locked as for a write, so that `lock table` still holds up intake.
  delete from metering.readings where false;
  -- 5 is SHARE: writers share it, a move waits for them and they for it. Tables that lie beside `readings` share the lock.
  perform lock_shard_metadata(5, held);
  -- Read after the lock, so that a move that ended meanwhile is seen.
  select count(*) into found_here
  from pg_dist_placement p
  join pg_dist_local_group here using (groupid)
  where p.shardid = any(held);
  if found_here = 0 then
    -- The coordinator does it itself while it does not trust the node's copy of the metadata, as after citus_update_node.
    raise exception 'the node of these organizations is not asked yet' using errcode = 'cannot_connect_now';
  elsif found_here < cardinality(held) then
    raise exception 'rows of an organization moved to another node' using errcode = 'MO001';
  end if;
  return shards;
end
$$;

COMMENT ON FUNCTION metering.hold_shards(organizations uuid[]) IS 'the shard of `readings` for each of these organizations, all of which stay on this node until the transaction ends. MO001: some lie on another node; 57P03: all do';

CREATE FUNCTION metering.is_written(table_name text, month timestamp with time zone, since timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
declare
  child constant text := metering.partition_name(is_written.table_name, is_written.month);
  first_id constant uuid := metering.uuid_v7(is_written.since);
  answer boolean;
begin
  case is_written.table_name
  when 'readings' then
    execute format('select exists (select 1 from metering.%I where entry_id > $1)', child)
      into answer using first_id;
  when 'meter_outbox' then
    -- A new entry is unsealed, or in a new meter event.
    execute format('select exists (select 1 from metering.%I where meter_event_id is null)', child) into answer;
    answer := answer or exists (
      select 1 from metering.meter_events e
      where e.id > first_id
        and e.hour >= is_written.month and e.hour < is_written.month + interval '1 month'
    );
  when 'delivery_attempts' then
    -- An attempt is settled within minutes of its start.
    answer := false;
  end case;
  return answer;
end
$_$;

CREATE FUNCTION metering.lock_doubt(of_organization_id uuid, event_ids uuid[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- In the order in which attempts are settled, so that both never wait for each other.
  perform 1
  from metering.meter_events m
  where m.organization_id = of_organization_id and m.id = any(event_ids)
  order by m.organization_id, m.id
  for update;
end
$$;

COMMENT ON FUNCTION metering.lock_doubt(of_organization_id uuid, event_ids uuid[]) IS 'locks meter events of an organization whose doubt the caller is about to settle';

CREATE FUNCTION metering.make_deliveries_due(only_ids uuid[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  made_due integer;
begin
  update pgboss.job j
  set start_after = pgboss.job_now()
  where j.name in (select q.name from pgboss.queue q where q.name like 'deliver-%')
    and j.state < 'active'
    and j.policy = 'exclusive'
    and (only_ids is null or coalesce(j.singleton_key, '') in (select one::text from unnest(only_ids) one))
    and j.start_after > pgboss.job_now();
  get diagnostics made_due = row_count;
  return made_due;
end
$$;

COMMENT ON FUNCTION metering.make_deliveries_due(only_ids uuid[]) IS 'ends the backoff of these meter events'' reminders, or of all with null; returns how many were put off';

CREATE FUNCTION metering.mend_block_ranges() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET max_parallel_workers_per_gather TO '0'
    SET jit TO 'off'
    SET lock_timeout TO '200ms'
    AS $$
declare
  -- As both block range indexes have it.
  pages_per_range constant integer := 32;
  mended_max constant integer := 100;
  mended integer := 0;
  brin record;
  plan json;
  pages_read bigint;
  first_page bigint;
begin
  for brin in
    select i.indexrelid::regclass as index, i.indrelid::regclass as leaf, a.attname as name,
      -- No row has it, so that only what is in no summary is read.
      case a.atttypid when 'uuid'::regtype then 'ffffffff-ffff-ffff-ffff-ffffffffffff' else 'infinity' end as beyond_all
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_am m on m.oid = c.relam
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where c.relnamespace = 'metering'::regnamespace and c.relkind = 'i' and m.amname = 'brin'
    order by i.indexrelid
  loop
    begin
      perform brin_summarize_new_values(brin.index);
      for tries in 1..mended_max loop
        execute format(
          'explain (analyze, timing off, format json) select from %s where %I = %L', brin.leaf, brin.name, brin.beyond_all
        ) into plan;
        -- Postgres counts ten rows for each page of a range.
        pages_read := coalesce((plan -> 0 -> 'Plan' -> 'Plans' -> 0 ->> 'Actual Rows')::numeric, 0) / 10;
        -- The last two ranges may be of this moment.
        exit when pages_read <= 2 * pages_per_range;
        -- All from the first placeholder on were read.
        first_page := pg_relation_size(brin.leaf) / current_setting('block_size')::integer - pages_read;
        first_page := greatest(first_page / pages_per_range * pages_per_range, 0);
        perform brin_desummarize_range(brin.index, first_page);
        perform brin_summarize_range(brin.index, first_page);
        mended := mended + 1;
      end loop;
    exception when lock_not_available then
      -- A vacuum is at work there, which is left alone.
      null;
    end;
  end loop;
  return mended;
end
$$;

COMMENT ON FUNCTION metering.mend_block_ranges() IS 'summarizes again the block ranges that a cancelled vacuum left without a summary; returns how many';

CREATE FUNCTION metering.newest_look(of_organization_id uuid, of_meter text, of_customer_id text, at timestamp with time zone) RETURNS uuid
    LANGUAGE sql STABLE
    AS $$
  select r.id
  from metering.reconciliations r
  where r.organization_id = of_organization_id and r.meter = of_meter and r.stripe_customer_id = of_customer_id
    and r.window_end > at and r.window_start <= at
  order by r.read_at desc, r.window_end - r.window_start
  limit 1
$$;

COMMENT ON FUNCTION metering.newest_look(of_organization_id uuid, of_meter text, of_customer_id text, at timestamp with time zone) IS 'the newest look at Stripe''s sum of a window that holds a moment';

CREATE FUNCTION metering.note_billing_period() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  together integer;
  own integer;
begin
  if new.stripe_customer_id is null or not new.current_period_start < new.current_period_end
    or new.current_period_start is null or new.current_period_end is null
  then
    return null;
  end if;
  update metering.billing_periods p
  set period_end = new.current_period_start
  where p.organization_id = new.organization_id and p.stripe_customer_id = new.stripe_customer_id
    and p.period_start < new.current_period_start and p.period_end > new.current_period_start
    and not exists (
      select from metering.billing_invoices i
      where i.organization_id = p.organization_id and i.period_start = p.period_start
    );
  select count(*), count(*) filter (where p.stripe_customer_id = new.stripe_customer_id) into together, own
  from metering.billing_periods p
  where p.organization_id = new.organization_id
    and p.period_start >= new.current_period_start
    and p.period_start < new.current_period_start + interval '1 second';
  if own = 0 then
    insert into metering.billing_periods (
      organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id
    )
    values (
      new.organization_id, new.current_period_start + together * interval '1 millisecond', new.current_period_end,
      new.stripe_customer_id, new.stripe_subscription_id
    )
    on conflict (organization_id, period_start) do nothing;
  else
    update metering.billing_periods p
    set period_end = new.current_period_end, stripe_subscription_id = new.stripe_subscription_id
    where p.organization_id = new.organization_id and p.stripe_customer_id = new.stripe_customer_id
      and p.period_start >= new.current_period_start
      and p.period_start < new.current_period_start + interval '1 second'
      and not exists (
        select from metering.billing_invoices i
        where i.organization_id = p.organization_id and i.period_start = p.period_start
      );
  end if;
  return null;
end
$$;

CREATE FUNCTION metering.note_link_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into metering.sensor_changes (organization_id) values (new.organization_id);
  return null;
end
$$;

CREATE FUNCTION metering.note_sensor_changes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  changed uuid[];
  one uuid;
begin
  if tg_op = 'INSERT' then
    select array_agg(distinct s.organization_id) into changed from new_sensors s where s.deactivated_at is null;
  elsif tg_op = 'DELETE' then
    select array_agg(distinct s.organization_id) into changed from old_sensors s where s.deactivated_at is null;
  else
    select array_agg(c.organization_id) into changed
    from (
      select organization_id
      from (
        select organization_id, id from new_sensors where deactivated_at is null
        except all
        select organization_id, id from old_sensors where deactivated_at is null
      ) activated
      union
      select organization_id
      from (
        select organization_id, id from old_sensors where deactivated_at is null
        except all
        select organization_id, id from new_sensors where deactivated_at is null
      ) deactivated
    ) c;
  end if;
  foreach one in array coalesce(changed, '{}') loop
    insert into metering.sensor_changes (organization_id) values (one);
  end loop;
  return null;
end
$$;

CREATE FUNCTION metering.note_unarchived(of_organization_id uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into metering.sensor_changes (organization_id) values (of_organization_id);
end
$$;

COMMENT ON FUNCTION metering.note_unarchived(of_organization_id uuid) IS 'lets the sensors of an organization that came back from the archive be counted soon';

CREATE FUNCTION metering.partition_name(table_name text, month timestamp with time zone) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $$
begin
  if partition_name.table_name is null
    or partition_name.table_name not in ('readings', 'meter_outbox', 'delivery_attempts')
  then
    raise exception 'there is no partitioned table %', quote_nullable(partition_name.table_name)
      using errcode = 'invalid_parameter_value';
  end if;
  if partition_name.month is null
    or partition_name.month not between timestamptz '2000-01-01' and timestamptz '2099-12-01'
    or partition_name.month <> date_trunc('month', partition_name.month)
  then
    raise exception '% does not begin a UTC month of 2000 to 2099', quote_nullable(partition_name.month)
      using errcode = 'invalid_parameter_value';
  end if;
  return partition_name.table_name || to_char(partition_name.month, '_YYYY_MM');
end
$$;

CREATE FUNCTION metering.purge_stripe_events(kept_days integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  kept_days_min constant integer := 31;
  purged bigint;
begin
  if kept_days is null or kept_days < kept_days_min then
    raise exception 'webhook events are kept for % days at least', kept_days_min
      using errcode = 'invalid_parameter_value';
  end if;
  delete from metering.stripe_events e
  where e.received_at < now() - make_interval(days => kept_days) and e.state <> 'pending';
  get diagnostics purged = row_count;
  return purged;
end
$$;

COMMENT ON FUNCTION metering.purge_stripe_events(kept_days integer) IS 'deletes webhook events that are not pending and older than so many days, 31 at least';

CREATE FUNCTION metering.record_usage(organization_id uuid, meter text, quantity bigint, occurred_at timestamp with time zone DEFAULT now(), idempotency_key text DEFAULT NULL::text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "DateStyle" TO 'ISO'
    AS $$
#variable_conflict use_column
declare
  -- Stripe takes usage of the last 35 days, and at most 5 minutes ahead. At 34 days it expires; the day before that is
  -- left for its delivery.
  age_max constant interval := interval '33 days';
  ahead_max constant interval := interval '5 minutes';
  -- No id can be made of a time that is much later.
  id_ahead_max constant interval := interval '1000 years';
  quantity_max constant bigint := 999999999999;
  -- An entry's id holds its time, to the millisecond.
  entry_at constant timestamptz := date_trunc('milliseconds', record_usage.occurred_at);
  entry_id uuid;
  known metering.usage_keys;
begin
  if num_nulls(record_usage.organization_id, record_usage.meter, record_usage.quantity, entry_at) > 0 then
    raise exception 'organization_id, meter, quantity and occurred_at must not be null'
      using errcode = 'null_value_not_allowed';
  end if;
  if not isfinite(entry_at) then
    raise exception 'usage happens at some time, not at %', entry_at using errcode = 'datetime_field_overflow';
  end if;
  if length(record_usage.idempotency_key) not between 1 and 255 then
    raise exception 'an idempotency key has 1 to 255 characters' using errcode = 'invalid_parameter_value';
  end if;
  if entry_at > clock_timestamp() + id_ahead_max then
    raise exception 'usage at % is more than 33 days ago or 5 minutes ahead', entry_at
      using errcode = 'datetime_field_overflow';
  end if;
  entry_id := metering.uuid_v7(entry_at);

  if record_usage.idempotency_key is not null then
    -- Waits for a transaction that has just used the same key, until it is known whether it commits.
    insert into metering.usage_keys (organization_id, idempotency_key, entry_id, meter, quantity)
    values (
      record_usage.organization_id, record_usage.idempotency_key, entry_id, record_usage.meter, record_usage.quantity
    )
    on conflict do nothing;
    if not found then
      select k.* into known
      from metering.usage_keys k
      where k.organization_id = record_usage.organization_id and k.idempotency_key = record_usage.idempotency_key;
      if not found then
        raise exception 'idempotency key % was deleted meanwhile', quote_literal(record_usage.idempotency_key)
          using errcode = 'serialization_failure';
      end if;
      if known.meter <> record_usage.meter or known.quantity <> record_usage.quantity then
        raise exception 'idempotency key % was used for other usage', quote_literal(record_usage.idempotency_key)
          using errcode = 'integrity_constraint_violation',
            detail = format('It recorded %s of %s, not %s of %s.',
              known.quantity, known.meter, record_usage.quantity, record_usage.meter);
      end if;
      return known.entry_id;
    end if;
  end if;

  if not exists (select from metering.organizations o where o.id = record_usage.organization_id) then
    raise exception 'there is no organization %', record_usage.organization_id
      using errcode = 'foreign_key_violation';
  end if;
  if not exists (select from metering.meters m where m.name = record_usage.meter) then
    raise exception 'there is no meter %', quote_literal(record_usage.meter)
      using errcode = 'invalid_parameter_value',
        hint = (select format('Meters are %s.', string_agg(m.name, ', ' order by m.name)) from metering.meters m);
  end if;
  if record_usage.quantity not between 0 and quantity_max then
    raise exception 'a quantity of % is not between 0 and %', record_usage.quantity, quantity_max
      using errcode = 'numeric_value_out_of_range';
  end if;
  if entry_at < now() - age_max or entry_at > clock_timestamp() + ahead_max then
    raise exception 'usage at % is more than 33 days ago or 5 minutes ahead', entry_at
      using errcode = 'datetime_field_overflow';
  end if;

  insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
  values (record_usage.organization_id, entry_at, entry_id, record_usage.meter, record_usage.quantity);
  return entry_id;
end
$$;

COMMENT ON FUNCTION metering.record_usage(organization_id uuid, meter text, quantity bigint, occurred_at timestamp with time zone, idempotency_key text) IS 'writes one outbox entry in the caller''s transaction and returns its id; the same key again returns the first entry''s id and writes nothing';

CREATE FUNCTION metering.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  raise exception '%.% is immutable: % refused', tg_table_schema, tg_table_name, lower(tg_op)
    using errcode = 'restrict_violation';
end
$$;

CREATE FUNCTION metering.refuse_dropped_month() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if exists (
    select from metering.dropped_partitions d
    where d.table_name = 'readings' and d.month = date_trunc('month', new.recorded_at, 'UTC')
  ) then
    -- It may have been billed before. The row is not inserted, and not counted in its entry.
    return null;
  end if;
  return new;
end
$$;

CREATE FUNCTION metering.refuse_sealed_entry() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if not pg_has_role(current_user, (select c.relowner from pg_class c where c.oid = tg_relid), 'usage') then
    raise exception 'an entry of % is born unsealed', tg_table_name using errcode = 'insufficient_privilege';
  end if;
  return new;
end
$$;

CREATE FUNCTION metering.resolve_in_doubt(event_id uuid, resolution text, resolved_because text) RETURNS TABLE(organization_id uuid, meter text, stripe_customer_id text, state text, replaced_by uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  called_at constant timestamptz := now();
  found_event metering.meter_events;
  next_state text;
  new_id uuid;
  look_id uuid;
  -- Stripe refuses usage older than 35 days; a day is kept in hand.
  event_age_max constant interval := interval '34 days';
begin
  if resolution is null or resolution not in ('delivered', 'not_delivered') then
    raise exception 'a meter event is resolved as delivered or not_delivered, not as %', resolution
      using errcode = 'invalid_parameter_value';
  end if;
  if resolved_because is null or length(resolved_because) not between 1 and 500 then
    raise exception 'the reason of a resolution has 1 to 500 characters' using errcode = 'invalid_parameter_value';
  end if;
  select m.* into found_event from metering.meter_events m where m.id = event_id and m.state = 'in_doubt';
  if found_event.id is null then
    return;
  end if;
  next_state := case
    when resolution = 'delivered' then 'delivered'
    when found_event.event_at <= called_at - event_age_max then 'expired'
    else 'superseded'
  end;
  new_id := case when next_state = 'superseded' then metering.uuid_v7(clock_timestamp()) end;
  select r.id into look_id
  from metering.reconciliations r
  where r.organization_id = found_event.organization_id and r.meter = found_event.meter
    and r.stripe_customer_id = found_event.stripe_customer_id
    and r.window_end > found_event.event_at and r.window_start <= found_event.event_at
  order by r.read_at desc, r.window_end - r.window_start
  limit 1;
  update metering.meter_events m
  set
    state = next_state,
    reason = 'resolved_' || resolution,
    resolved_at = called_at,
    resolution_reason = resolved_because,
    evidence_id = look_id,
    reconcile_since = null,
    delivered_at = case when resolution = 'delivered' then called_at end,
    replaced_by_id = new_id
  where m.organization_id = found_event.organization_id and m.id = event_id and m.state = 'in_doubt';
  -- Another caller has resolved it since.
  if not found then
    return;
  end if;
  if next_state = 'superseded' then
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, counted_before
    )
    values (
      found_event.organization_id, new_id, found_event.meter, found_event.hour, found_event.quantity, found_event.event_at,
      found_event.entries, found_event.stripe_customer_id, event_id, found_event.counted_before
    );
  end if;
  return query select found_event.organization_id, found_event.meter, found_event.stripe_customer_id, next_state, new_id;
end
$$;

COMMENT ON FUNCTION metering.resolve_in_doubt(event_id uuid, resolution text, resolved_because text) IS 'ends the doubt about a meter event; the caller makes the job of replaced_by in the same transaction';

CREATE FUNCTION metering.retry_rejected(only_id uuid, only_meter text, only_organization_id uuid) RETURNS TABLE(organization_id uuid, id uuid, meter text, stripe_customer_id text, state text, deliver_id uuid, ahead integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  chosen uuid[];
begin
  select array(
    select m.id
    from metering.meter_events m
    where m.state = 'rejected'
      and (only_id is null or m.id = only_id)
      and (only_meter is null or m.meter = only_meter)
      and (only_organization_id is null or m.organization_id = only_organization_id)
    order by m.id
    limit 10000
  ) into chosen;
  return query select * from metering.retry_rejected_events(chosen);
end
$$;

COMMENT ON FUNCTION metering.retry_rejected(only_id uuid, only_meter text, only_organization_id uuid) IS 'gives rejected meter events another try, 10,000 at most; the caller makes the jobs of deliver_id in the same transaction';

CREATE FUNCTION metering.retry_rejected_events(only_ids uuid[]) RETURNS TABLE(organization_id uuid, id uuid, meter text, stripe_customer_id text, state text, deliver_id uuid, ahead integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  retried_max constant integer := 10000;
  -- Stripe remembers an identifier for at least 24 hours; an hour is kept in hand.
  identifier_safe constant interval := interval '23 hours';
  -- Reasons of events whose identifier Stripe never took. All others are those of Stripe's error reports.
  untaken_reasons constant text[] := array['refused_by_stripe', 'crashes_worker', 'customer_deleted'];
  called_at constant timestamptz := now();
begin
  perform pg_advisory_xact_lock(hashtext('metering.retry_rejected'));
  return query
  with chosen as materialized (
    select m.organization_id, m.id, m.state as was, m.reason, m.attempts_started, m.first_unknown_at, m.last_attempt_at
    from metering.meter_events m
    where m.state = 'rejected' and m.id = any (only_ids)
    order by m.id
    limit retried_max
  ),
  judged as materialized (
    select
      c.organization_id, c.id, c.was, c.reason, c.attempts_started, c.first_unknown_at, c.last_attempt_at,
      metering.uuid_v7(clock_timestamp()) as new_id,
      row_number() over (partition by c.organization_id order by c.id) - 1 as ahead,
      case
        when c.reason <> all (untaken_reasons) then
          case when c.first_unknown_at < c.last_attempt_at then 'in_doubt' else 'superseded' end
        when c.first_unknown_at <= called_at - identifier_safe then 'in_doubt'
        else 'pending'
      end as next_state
    from chosen c
    order by c.id
  ),
  moved as (
    update metering.meter_events m
    set
      state = j.next_state,
      reason = case
        when m.reason <> all (untaken_reasons) and j.next_state = 'in_doubt' then 'earlier_attempt_unknown'
        else 'retried_by_operator'
      end,
      attempts_finished = m.attempts_started,
      reconcile_since = null,
      replaced_by_id = case when j.next_state = 'superseded' then j.new_id end
    from judged j
    where m.organization_id = j.organization_id and m.id = j.id
      -- Another caller may have moved it since, or a report of Stripe's told of it.
      -- The state as a value, so that nothing offers the index of all that is rejected, which would be read for each.
      and m.state = j.was and m.reason is not distinct from j.reason and m.attempts_started = j.attempts_started
      and m.first_unknown_at is not distinct from j.first_unknown_at
      and m.last_attempt_at is not distinct from j.last_attempt_at
    returning
      m.organization_id, m.id, m.meter, m.hour, m.quantity, m.event_at, m.entries, m.stripe_customer_id, m.counted_before,
      m.state, m.replaced_by_id, j.ahead
  ),
  replacements as (
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, counted_before
    )
    select
      v.organization_id, v.replaced_by_id, v.meter, v.hour, v.quantity, v.event_at, v.entries, v.stripe_customer_id, v.id,
      v.counted_before
    from moved v
    where v.state = 'superseded'
  )
  select
    v.organization_id, v.id, v.meter, v.stripe_customer_id, v.state,
    case v.state when 'pending' then v.id when 'superseded' then v.replaced_by_id end,
    case v.state when 'superseded' then 0 else v.ahead end::integer
  from moved v;
end
$$;

COMMENT ON FUNCTION metering.retry_rejected_events(only_ids uuid[]) IS 'gives these rejected meter events another try, 10,000 at most; the caller makes the jobs of deliver_id in the same transaction';

CREATE FUNCTION metering.run_on() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if old.period_end <= now() and new.period_end > now() then
    new.routine_at := coalesce(new.routine_at, '2000-01-01T00:00:00Z');
    new.next_look_at := null;
  end if;
  return new;
end
$$;

COMMENT ON FUNCTION metering.run_on() IS 'an ended period that runs on is compared as a running one again, and looked at when it ends';

CREATE FUNCTION metering.sealed_versions(of_organization_id uuid, of_id uuid) RETURNS TABLE(id uuid)
    LANGUAGE sql STABLE
    AS $$
  with recursive versions as (
    select m.organization_id, m.id, m.replaces_id
    from metering.meter_events m
    where m.organization_id = of_organization_id and m.id = of_id
    union all
    select o.organization_id, o.id, o.replaces_id
    from versions v
    join metering.meter_events o on o.organization_id = v.organization_id and o.replaced_by_id = v.id
  )
  select v.id from versions v where v.replaces_id is null
$$;

COMMENT ON FUNCTION metering.sealed_versions(of_organization_id uuid, of_id uuid) IS 'the meter events whose entries this one stands for: itself, or those it replaces from the first';

CREATE FUNCTION metering.settle_doubt(of_organization_id uuid, event_ids uuid[], verdict text, missing bigint, by_evidence_id uuid) RETURNS TABLE(organization_id uuid, id uuid, meter text, stripe_customer_id text, state text, deliver_id uuid, quantity bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  called_at constant timestamptz := now();
  -- Stripe refuses usage older than 35 days; a day is kept in hand.
  event_age_max constant interval := interval '34 days';
  part record;
  part_id uuid;
  -- Where its usage is to be sent now, and once.
  part_deliver_id uuid;
  part_first_id uuid;
  settled_count integer;
begin
  if verdict is null or verdict not in ('all', 'none', 'part', 'overtaken') then
    raise exception 'doubt is settled as all, none, part or overtaken, not as %', verdict
      using errcode = 'invalid_parameter_value';
  end if;
  if verdict <> 'overtaken' and not exists (
    select from metering.reconciliations e where e.organization_id = of_organization_id and e.id = by_evidence_id
  ) then
    raise exception 'doubt is settled by a look at Stripe''s sum' using errcode = 'invalid_parameter_value';
  end if;
  if verdict = 'part' then
    select
      count(distinct (m.meter, m.hour, m.stripe_customer_id)) as kinds, min(m.meter) as meter, min(m.hour) as hour,
      min(m.stripe_customer_id) as stripe_customer_id, max(m.event_at) as event_at, sum(m.entries)::integer as entries,
      sum(m.quantity + m.counted_before) as total, sum(m.quantity) as doubted,
      (array_agg(m.id order by m.id))[1] as first_id,
      (array_agg(m.reported_code order by m.reconcile_since) filter (where m.reconcile_since is not null))[1] as code,
      (array_agg(m.reported_message order by m.reconcile_since) filter (where m.reconcile_since is not null))[1] as message,
      count(m.reconcile_since) as reported
    into part
    from metering.meter_events m
    where m.organization_id = of_organization_id and m.id = any(event_ids);
    if part.kinds <> 1 or missing is null or missing <= 0 or missing >= part.doubted then
      raise exception 'no part of one hour''s usage is missing' using errcode = 'invalid_parameter_value';
    end if;
    part_id := metering.uuid_v7(clock_timestamp());
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, counted_before,
      state, reason, last_error, evidence_id
    )
    values (
      of_organization_id, part_id, part.meter, part.hour, missing, part.event_at, part.entries,
      part.stripe_customer_id, part.first_id, part.total - missing,
      case
        when part.reported > 0 then 'rejected'
        when part.event_at <= called_at - event_age_max then 'expired'
        else 'pending'
      end,
      case
        when part.reported > 0 then coalesce(part.code, 'reported_by_stripe')
        when part.event_at <= called_at - event_age_max then 'absent_from_sum'
      end,
      case when part.reported > 0 then part.message end,
      by_evidence_id
    );
    part_first_id := part.first_id;
    if part.reported = 0 and part.event_at > called_at - event_age_max then
      part_deliver_id := part_id;
    end if;
  end if;

  return query
  with doubted as materialized (
    select
      m.*, metering.uuid_v7(clock_timestamp()) as new_id,
      case
        when verdict = 'all' then 'delivered'
        when verdict in ('part', 'overtaken') then 'superseded'
        when m.reconcile_since is not null then 'rejected'
        when m.event_at <= called_at - event_age_max then 'expired'
        else 'superseded'
      end as next_state
    from metering.meter_events m
    where m.organization_id = of_organization_id and m.id = any(event_ids)
      and (m.state = 'in_doubt' or m.state = 'delivered' and m.reconcile_since is not null)
  )
  update metering.meter_events m
  set
    state = d.next_state,
    reason = case
      when verdict = 'all' then 'found_in_sum'
      when verdict = 'part' then 'partly_in_sum'
      when verdict = 'overtaken' then 'newer_value'
      when d.next_state = 'rejected' then coalesce(d.reported_code, 'reported_by_stripe')
      else 'absent_from_sum'
    end,
    last_error = case when d.next_state = 'rejected' then coalesce(d.reported_message, m.last_error) else m.last_error end,
    delivered_at = case when verdict = 'all' then coalesce(m.delivered_at, called_at) else m.delivered_at end,
    -- The sum has told of every attempt, so that none is unknown any more.
    first_unknown_at = case when d.next_state = 'rejected' then null else m.first_unknown_at end,
    reconcile_since = null,
    resolved_at = called_at,
    evidence_id = by_evidence_id,
    replaced_by_id = case
      when verdict = 'part' then part_id
      when verdict = 'none' and d.next_state = 'superseded' then d.new_id
    end
  from doubted d
  -- Named, so that a cluster updates its shard alone, by the connection that holds the caller's locks; and as the last step, which
  -- it would otherwise do on any node.
  where m.organization_id = of_organization_id and m.organization_id = d.organization_id and m.id = d.id
    -- Another caller may have ended its doubt since.
    and (m.state = 'in_doubt' or m.state = 'delivered' and m.reconcile_since is not null)
    and (m.reconcile_since is null) = (d.reconcile_since is null)
  returning
    m.organization_id, m.id, m.meter, m.stripe_customer_id, m.state,
    case when verdict = 'none' then m.replaced_by_id when m.id = part_first_id then part_deliver_id end, m.quantity;
  get diagnostics settled_count = row_count;
  if settled_count <> cardinality(event_ids) then
    raise exception 'of % events in doubt only % still are', cardinality(event_ids), settled_count
      using errcode = 'restrict_violation';
  end if;
  if verdict = 'none' then
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, counted_before
    )
    select
      s.organization_id, s.replaced_by_id, s.meter, s.hour, s.quantity, s.event_at, s.entries, s.stripe_customer_id, s.id,
      s.counted_before
    from metering.meter_events s
    where s.organization_id = of_organization_id and s.id = any(event_ids) and s.replaced_by_id is not null;
  end if;
end
$$;

COMMENT ON FUNCTION metering.settle_doubt(of_organization_id uuid, event_ids uuid[], verdict text, missing bigint, by_evidence_id uuid) IS 'ends the doubt about a window''s events by a look at Stripe''s sum; the caller makes the jobs of deliver_id in the same transaction';

CREATE FUNCTION metering.storage_parameters(table_name text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
  select case
    -- Append-only. Frozen by the first vacuum that passes, a page is never visited again. What is not vacuumed may not be in
    -- a block range index yet: a number of rows bounds it for a month of any size.
    when table_name in ('readings', 'delivery_attempts') then
      'autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000, autovacuum_freeze_min_age = 0'
    when table_name = 'sensor_counts' then
      'autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 0'
    -- Every entry is stamped once, which leaves a dead version of it in the heap and in the index of unsealed entries,
    -- where each seal begins. Both indexes change with the stamp, so no update is HOT (measured: 0 of 29,200) and free
    -- room in its page (fillfactor) would be wasted. Measured with 1,000 organizations and 300,000 sealed entries: finding
    -- the oldest unsealed entry of each reads 262,000 buffers in 46 ms without a vacuum since, 10,000 in 3 ms with one
    -- after every 50,000. Sealed, an entry never changes again.
    when table_name = 'meter_outbox' then
      'autovacuum_vacuum_scale_factor = 0.02, autovacuum_freeze_min_age = 0'
    -- Each event is updated when its attempt begins, which is HOT where its page has room (fillfactor, migration 0121), and
    -- when it is settled, which never is, as the state is in the predicates of indexes. Two dead versions of each are left.
    when table_name = 'meter_events' then
      'autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02'
  end
$$;

COMMENT ON FUNCTION metering.storage_parameters(table_name text) IS 'storage parameters of a table, or of each partition of a partitioned one; null: those of the server';

CREATE FUNCTION metering.store_readings(of_organization uuid, organization_list text, place_list text, sensor_list text, moment_list text, temperature_list text, at timestamp with time zone, traceparent text) RETURNS TABLE(index integer, is_known boolean, is_active boolean, stored double precision)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $_$
#variable_conflict use_variable
declare
  -- The same as store-readings.ts does on one Postgres; of two readings of one sensor and moment the first is inserted. Ordered
  -- by key, so that two transactions with the same readings wait for each other and never deadlock.
  insert_readings constant text := $$
    with inserted as (
      insert into metering.readings_%1$s (organization_id, sensor_id, recorded_at, temperature, entry_id)
      select $1[i.organization], i.sensor_id, i.recorded_at, i.temperature, $7[i.organization]
      from unnest($3, $4, $5, $6) with ordinality as i (organization, sensor_id, recorded_at, temperature, n)
      cross join lateral (
        select from metering.sensors_%2$s s
        where s.organization_id = $1[i.organization] and s.id = i.sensor_id and s.deactivated_at is null
        limit 1
      ) s
      where $2[i.organization] = %1$s
      order by $1[i.organization], i.sensor_id collate "C", i.recorded_at, i.n
      on conflict do nothing
      returning organization_id, entry_id
    ),
    counted as (
      insert into metering.meter_outbox_%3$s (organization_id, occurred_at, id, meter, quantity, traceparent)
      select organization_id, $8, entry_id, 'temperature_readings', count(*), $9
      from inserted
      group by organization_id, entry_id
    )
    select count(*) from inserted
  $$;
  -- Its snapshot is taken after the insert waited, so that the loser of a race finds the winner's reading.
  look_for_readings constant text := $$
    select i.n::integer as n, i.recorded_at, r.entry_id = $6[i.organization] as is_ours, r.temperature,
      s.id is not null as is_known,
      s.id is not null and s.deactivated_at is null as is_active,
      row_number() over (partition by i.organization, i.sensor_id, i.recorded_at order by i.n) = 1 as is_first
    from unnest($3, $4, $5) with ordinality as i (organization, sensor_id, recorded_at, n)
    left join lateral (
      select entry_id, temperature from metering.readings_%1$s r
      where r.organization_id = $1[i.organization] and r.sensor_id = i.sensor_id and r.recorded_at = i.recorded_at
      limit 1
    ) r on true
    left join lateral (
      select id, deactivated_at from metering.sensors_%2$s s
      where s.organization_id = $1[i.organization] and s.id = i.sensor_id
      limit 1
    ) s on true
    where $2[i.organization] = %1$s
  $$;
  organizations constant uuid[] := organization_list;
  occurred_at constant timestamptz := date_trunc('milliseconds', at);
  ids constant uuid[] := array(select metering.uuid_v7(occurred_at) from unnest(organizations));
  shards constant bigint[] := metering.hold_shards(organizations);
  held constant bigint[] := array(select distinct s.id from unnest(shards) as s (id) order by s.id);
  version constant text := left(md5(insert_readings || look_for_readings), 8);
  shard bigint;
  sensors_shard bigint;
  outbox_shard bigint;
  inserted bigint;
  inserted_in_all bigint := 0;
  ours bigint := 0;
  row record;
begin
  foreach shard in array held loop
    -- The session may have kept what an earlier text of this function prepared, under another name.
    if not exists (select from pg_prepared_statements p where p.name = format('store_%s_%s', shard, version)) then
      select max(s.shardid) filter (where s.logicalrelid = 'metering.sensors'::regclass),
        max(s.shardid) filter (where s.logicalrelid = 'metering.meter_outbox'::regclass)
      into sensors_shard, outbox_shard
      from pg_dist_shard s
      join pg_dist_shard r using (shardminvalue)
      where r.shardid = shard and s.logicalrelid in ('metering.sensors'::regclass, 'metering.meter_outbox'::regclass);
      execute format('prepare look_%s_%s (uuid[], bigint[], integer[], text[], timestamptz[], uuid[]) as ', shard, version)
        || format(look_for_readings, shard, sensors_shard);
      execute format('prepare store_%s_%s ', shard, version)
        || '(uuid[], bigint[], integer[], text[], timestamptz[], double precision[], uuid[], timestamptz, text) as '
        || format(insert_readings, shard, sensors_shard, outbox_shard);
    end if;
    execute format(
      'execute store_%s_%s (%L, %L, %L, %L, %L, %L, %L, %L, %L)',
      shard, version, organization_list, shards, place_list, sensor_list, moment_list, temperature_list, ids, occurred_at,
      traceparent
    ) into inserted;
    inserted_in_all := inserted_in_all + inserted;
  end loop;
  if inserted_in_all = cardinality(place_list::integer[]) then
    return;
  end if;

  return query values (null::integer, null::boolean, null::boolean, null::double precision);
  foreach shard in array held loop
    for row in execute format(
      'execute look_%s_%s (%L, %L, %L, %L, %L, %L)',
      shard, version, organization_list, shards, place_list, sensor_list, moment_list, ids
    ) loop
      if row.is_ours then
        -- The later of two in one call is judged by the caller, who has both.
        if row.is_first then
          ours := ours + 1;
        end if;
      elsif row.temperature is null and row.is_active and not exists (
        select from metering.dropped_partitions d
        where d.table_name = 'readings' and d.month = date_trunc('month', row.recorded_at, 'UTC')
      ) then
        -- Registered or brought back meanwhile: all is taken back, and the caller does it again. Unless it was not stored
        -- because its month was dropped.
        raise exception 'a sensor came into use while its readings were stored' using errcode = 'MO001';
      else
        return query values (row.n - 1, row.is_known, row.is_active, row.temperature);
      end if;
    end loop;
  end loop;
  if ours <> inserted_in_all then
    raise exception 'the readings that were stored are not those that were inserted';
  end if;
end
$_$;

COMMENT ON FUNCTION metering.store_readings(of_organization uuid, organization_list text, place_list text, sensor_list text, moment_list text, temperature_list text, at timestamp with time zone, traceparent text) IS 'stores readings of organizations whose rows lie on one node, and their entries. Returns nothing when all were new, otherwise a row without an index and a row for each that another one stands in for, or no active sensor. `at` is the coordinator''s clock';

CREATE FUNCTION metering.uuid_v7(at timestamp with time zone) RETURNS uuid
    LANGUAGE sql PARALLEL SAFE
    AS $$
  -- `at` comes once: a function whose argument comes twice is called, and not inlined, where that is a clock.
  select (
    overlay(lpad(to_hex((extract(epoch from at) * 4096000)::bigint), 15, '0') placing '7' from 13 for 0)
    || right(replace(gen_random_uuid()::text, '-', ''), 16)
  )::uuid
$$;

CREATE FUNCTION metering.uuid_v7_time(id uuid) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
  select timestamptz 'epoch'
    + (('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint) * interval '1 millisecond'
$$;

CREATE FUNCTION metering.versions_of(of_organization_id uuid, of_id uuid) RETURNS TABLE(id uuid, state text, quantity bigint, counted_before numeric, replaced_by_id uuid)
    LANGUAGE sql STABLE
    AS $$
  with recursive versions as (
    select m.organization_id, m.id, m.state, m.quantity, m.counted_before, m.replaced_by_id
    from metering.meter_events m
    where m.organization_id = of_organization_id and m.id = of_id
    union all
    select r.organization_id, r.id, r.state, r.quantity, r.counted_before, r.replaced_by_id
    from versions v
    join metering.meter_events r on r.organization_id = v.organization_id and r.id = v.replaced_by_id
  )
  select v.id, v.state, v.quantity, v.counted_before, v.replaced_by_id from versions v
$$;

COMMENT ON FUNCTION metering.versions_of(of_organization_id uuid, of_id uuid) IS 'a meter event and those that replaced it; the one with replaced_by_id null stands for it now';

CREATE FUNCTION metering.write_customer_link() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  changed_at timestamptz;
begin
  if tg_op = 'UPDATE' and old.stripe_customer_id is not distinct from new.stripe_customer_id then
    return null;
  end if;
  -- The row of the subscription is locked, so links of one organization follow each other; so do their times, even if
  -- the clock was set back.
  select greatest(clock_timestamp(), max(coalesce(l.ended_at, l.linked_at)) + interval '1 microsecond') into changed_at
  from metering.customer_links l
  where l.organization_id = coalesce(new.organization_id, old.organization_id);
  if tg_op <> 'INSERT' then
    update metering.customer_links l
    set ended_at = changed_at
    where l.organization_id = old.organization_id and l.ended_at is null;
  end if;
  if tg_op <> 'DELETE' and new.stripe_customer_id is not null then
    -- A node of a cluster may not write what every node has: there the program writes it before it links, and any other link is refused.
    if not exists (
      select from metering.customer_organizations c
      where c.stripe_customer_id = new.stripe_customer_id and c.organization_id = new.organization_id
    ) then
      insert into metering.customer_organizations (stripe_customer_id, organization_id)
      values (new.stripe_customer_id, new.organization_id)
      on conflict do nothing;
    end if;
    insert into metering.customer_links (organization_id, linked_at, stripe_customer_id)
    values (new.organization_id, changed_at, new.stripe_customer_id);
  end if;
  return null;
end
$$;

CREATE FUNCTION metering.write_down(table_name text, month timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
declare
  child constant text := metering.partition_name(write_down.table_name, write_down.month);
  counted bigint;
begin
  case write_down.table_name
  when 'delivery_attempts' then
    execute format('select count(*) from metering.%I', child) into counted;
  when 'readings' then
    execute format($q$
      insert into metering.dropped_usage (organization_id, table_name, month, meter, dropped_rows, quantity)
      select organization_id, 'readings', $1, 'temperature_readings', count(*), count(*)
      from metering.%I
      group by organization_id
    $q$, child) using write_down.month;
  when 'meter_outbox' then
    execute format($q$
      insert into metering.dropped_usage (organization_id, table_name, month, meter, dropped_rows, quantity)
      select organization_id, 'meter_outbox', $1, meter, count(*), sum(quantity)
      from metering.%I
      group by organization_id, meter
    $q$, child) using write_down.month;
  end case;
  if counted is null then
    select coalesce(sum(d.dropped_rows), 0) into counted
    from metering.dropped_usage d
    where d.table_name = write_down.table_name and d.month = write_down.month;
  end if;
  insert into metering.dropped_partitions (table_name, month, dropped_rows)
  values (write_down.table_name, write_down.month, counted);
  return counted;
end
$_$;

CREATE VIEW metering.customer_spans AS
 SELECT organization_id,
    stripe_customer_id,
    COALESCE(max(ended_at) OVER (PARTITION BY organization_id ORDER BY linked_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), '-infinity'::timestamp with time zone) AS starts_at,
    COALESCE(ended_at, 'infinity'::timestamp with time zone) AS ends_at
   FROM metering.customer_links
  WHERE (customer_deleted_at IS NULL);

COMMENT ON VIEW metering.customer_spans IS 'from when (inclusive) until when an organization''s usage is a customer''s; what lies in no span is held';
