const ofBoth = {
  "update on metering.alert_watch": "looked_at",
  "insert on metering.customer_organizations": "stripe_customer_id organization_id",
  "update on metering.delivery_control": "paused_until reason paused_at openings",
  "insert on metering.meter_outbox": "organization_id occurred_at id meter quantity traceparent",
  "insert on metering.sensor_counts": "organization_id hour active_sensors counted_at stripe_customer_id",
  "update on metering.sensor_counts": "active_sensors counted_at stripe_customer_id",
  "insert on metering.subscriptions":
    "organization_id stripe_customer_id stripe_subscription_id status current_period_start current_period_end " +
    "read_began_at billed other_bounds",
  "update on metering.subscriptions":
    "stripe_customer_id stripe_subscription_id status current_period_start current_period_end updated_at " +
    "read_began_at customer_fault read_wanted_at billed other_bounds",
};

/**
 * The columns that a process must be allowed to write, of the tables of which it may not write all, by right and table:
 * a new version writes a new column of a table that was there before. scripts/roles.sql gives these rights.
 */
export const neededColumns: Record<"api" | "worker", Record<string, readonly string[]>> = {
  api: listEach({
    ...ofBoth,
    "insert on metering.api_keys": "organization_id name prefix key_hash scopes",
    "update on metering.api_keys": "last_used_at revoked_at",
    "insert on metering.operator_actions": "via operator action organization_id subject reason affected",
    "insert on metering.organizations": "name external_id",
    "update on metering.organizations": "name external_id archived_at",
    "insert on metering.processes": "id kind",
    "update on metering.processes": "seen_at stopped_at",
    "insert on metering.reconcile_requests": "organization_id cause period_from period_to",
    "insert on metering.sensors": "organization_id id name deactivated_at",
    "update on metering.sensors": "name deactivated_at",
    "insert on metering.stripe_events": "event_id event_type livemode payload",
    "update on metering.stripe_events": "state attempts error dismissed_at dismissed_because",
  }),
  worker: listEach({
    ...ofBoth,
    "insert on metering.billing_invoices":
      "organization_id invoice_id period_start stripe_customer_id stripe_subscription_id billing_reason status " +
      "invoiced billed_twice created_at finalizes_at finalized_at paid_at read_began_at",
    "update on metering.billing_invoices":
      "status invoiced billed_twice finalizes_at held_since held_until warned_for finalized_at paid_at read_began_at gate_said",
    "insert on metering.billing_periods":
      "organization_id period_start period_end stripe_customer_id stripe_subscription_id",
    "update on metering.billing_periods":
      "period_end stripe_customer_id stripe_subscription_id closed_at next_look_at books not_billed routine_at " +
      "is_trial",
    "update on metering.customer_links": "customer_deleted_at",
    "update on metering.figure_progress": "written_until final_until",
    "insert on metering.meter_events":
      "organization_id id meter hour quantity event_at entries stripe_customer_id shipment_id",
    "update on metering.meter_events":
      "state reason attempts_started attempts_finished first_attempt_at last_attempt_at first_unknown_at " +
      "last_error delivered_at reconcile_since reported_code reported_message",
    "update on metering.meter_outbox": "meter_event_id",
    "insert on metering.processes": "id kind transport rate_per_second rate_per_second_max close_gate",
    "update on metering.processes": "seen_at stopped_at rate_per_second rate_per_second_max",
    "update on metering.reconcile_requests": "done_at answer error",
    "insert on metering.reconciliations":
      "organization_id meter stripe_customer_id window_start window_end cause ours doubtful theirs events " +
      "fingerprint reads result reason",
    "insert on metering.retention": "table_name days",
    "update on metering.retention": "days set_at",
    "update on metering.stripe_events": "state attempts handled_at error",
  }),
};

function listEach(columns: Record<string, string>): Record<string, readonly string[]> {
  return Object.fromEntries(Object.entries(columns).map(([right, names]) => [right, names.split(" ")]));
}
