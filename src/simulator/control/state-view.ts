import type { Simulation } from "../state.ts";

/** The counters of the simulation, as `GET /_simulator/state` shows them. */
export function stateView(state: Simulation) {
  const { ledger, totals } = state;
  return {
    now: new Date(state.clock.nowMs()).toISOString(),
    frozen: state.clock.isFrozen(),
    requests: state.requestLog.total,
    /** How often usage was counted; more than `identifiers_counted` means that a customer was billed twice. */
    counted: ledger.countsTotal,
    identifiers_counted: ledger.countsTotal - ledger.doublesTotal,
    double_counted: ledger.doublesTotal,
    duplicates: totals.duplicates,
    async_errors: state.asyncErrors.length,
    idempotent_replays: totals.replays,
    parallel_refused: totals.conflicts,
    rate_limited: totals.rateLimited,
    /** GETs that were answered, those of them that read sums, and those past the quota. */
    reads: state.reads.total,
    event_summary_reads: state.reads.eventSummaries,
    reads_refused: state.reads.refused,
    faults_fired: totals.faultsFired,
    meters: state.meters.size,
    customers: state.customers.size,
    subscriptions: state.subscriptions.size,
    events: state.events.size,
    webhook_endpoints: state.webhooks.endpoints.size,
    webhook_attempts: state.webhooks.log.total,
    webhook_held: state.webhooks.held.length,
  };
}
