/**
 * Where a cluster keeps each table of the schema `metering`. Plain Postgres ignores it. A table that a migration makes is
 * named here once; docs/scale-out.md says why it lies there.
 */
export const placement = {
  /** By organization, an organization's rows of all of them on one node. The others lie beside the first. */
  distributed: [
    "sensors",
    "sensor_changes",
    "sensor_counts",
    "customer_links",
    "cut_overs",
    "subscriptions",
    "billing_periods",
    "billing_invoices",
    "usage_keys",
    "readings",
    "meter_outbox",
    "meter_events",
    "delivery_attempts",
    "reconciliations",
    "reconcile_requests",
    "dropped_usage",
    "refused_entries",
    "usage_sums",
    "reading_counts",
  ],
  /** A copy on every node: what triggers and foreign keys read there. */
  reference: ["organizations", "customer_organizations", "meters", "dropped_partitions", "usage_progress"],
  /** On the coordinator alone: small, or of all organizations together. So is pg-boss. */
  local: [
    "alert_watch",
    "alerts",
    "api_keys",
    "delivery_control",
    "figure_progress",
    "hour_figures",
    "kysely_migration",
    "kysely_migration_lock",
    "meter_event_total",
    "minute_figures",
    "operator_actions",
    "processes",
    "reconcile_reads",
    "retention",
    "stripe_events",
  ],
} as const;

/** The functions that a cluster runs on the node of the organization that this argument names. */
export const functionsOfNodes = [{ name: "store_readings", argument: "of_organization" }] as const;

/** Triggers that look at more than one organization or one node, so that they cannot be a shard's: the program does their work. */
export const triggersOfOneServer = [{ table: "subscriptions", trigger: "claim_customer" }] as const;
