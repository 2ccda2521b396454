/** What an operator does about each condition, in the order in which the runbooks of docs/metrics.md begin. */
const remedies: Record<string, string> = {
  MeterOutboxUnsealedOld:
    "See that a worker runs, and that its log has meter_events_sealed. The seal also waits while too many meter events are undelivered.",
  MeterOutboxUnsealedTooOld:
    "See that a worker runs. Hold the invoices of this period at Stripe until the usage is there.",
  MeterOutboxHeldOld:
    "Link the organization to its Stripe customer, or find out why its checkout named none.",
  MeterOutboxUsageUninvoiced:
    "Give the organization a subscription that bills our meters, or write the usage off.",
  MeterOutboxUndeliveredOld:
    "See whether delivery is paused, and what Stripe says to the oldest meter event.",
  MeterOutboxUndeliveredTooOld:
    "See whether delivery is paused. Hold the invoices of this period at Stripe until the usage is there.",
  MeterOutboxPausedByBreaker: "Mend what the reason says. It resumes by itself; Resume makes it try at once.",
  MeterOutboxInDoubt:
    "Look at Stripe's sum for the hour of each, then resolve it as delivered or not delivered.",
  MeterOutboxSumsDiffer:
    "Let reconcile of the command line name the hours; docs/reconciliation.md says what each kind of difference means.",
  MeterOutboxPeriodUnreconciled:
    "See what of the period is pending, in doubt or different: reconcile of the command line, with --period last.",
  MeterOutboxReconcileReadsUsedUp:
    "Let reconcile of the command line, with --period last, compare the periods that close: it is never refused. Or raise RECONCILE_READS_PER_DAY.",
  MeterOutboxIdentifierLimitNear: "Let it be delivered before then: see what keeps it, and resume or retry.",
  MeterOutboxUsageNearExpiry:
    "Stripe takes usage of the last 35 days only. Link, resume or retry before then.",
  MeterOutboxWebhookBacklog: "See that a worker runs. Events wait while Stripe cannot be asked.",
  MeterOutboxWebhookFailed: "Read the error of each, mend its cause, and replay it.",
  MeterOutboxSensorCountMissed: "See that a worker runs; count-sensors of the command line counts at once.",
  MeterOutboxDefaultPartitionNotEmpty: "Run migrate: it makes the months that are missing.",
  MeterOutboxFiguresOld: "See the worker's log for figures_failed. Only the plots stand still.",
  MeterOutboxPartitionOverdue: "See the worker's log for partition_busy: something keeps the month open.",
};

/** The first step about an alert that is true now. */
export function whatToDo(alert: string): string {
  return remedies[alert] ?? "See docs/metrics.md.";
}
