import type { Log } from "../log.ts";
import { signatureFaults } from "../stripe/verify-webhook.ts";

/** Why a webhook is answered 400: a fault of its signature, or of its content. */
export const refusalReasons = [...signatureFaults, "malformed_json", "invalid_event"] as const;
export type RefusalReason = (typeof refusalReasons)[number];

/** Called for each webhook that changes nothing, for metrics. Must not throw. */
export type WebhookCounts = {
  onDuplicate?: (() => void) | undefined;
  onRefused?: ((reason: RefusalReason) => void) | undefined;
};

export type WebhookWatch = {
  duplicate: (event: { eventId: string; eventType: string }) => void;
  refused: (reason: RefusalReason) => void;
};

const quietMs = 1_000;

/**
 * Logs and counts webhooks that change nothing. Strangers can send any number of them, so at most one line a second is
 * written for each reason; it says how many were left out since the line before.
 */
export function watchWebhooks(
  log: Log,
  { onDuplicate, onRefused, nowMs = () => performance.now() }: WebhookCounts & { nowMs?: () => number },
): WebhookWatch {
  const told = new Map<RefusalReason, { atMs: number; leftOut: number }>();
  return {
    duplicate({ eventId, eventType }) {
      onDuplicate?.();
      log.info({
        event: "stripe_event_duplicate",
        event_id: eventId,
        event_type: eventType,
        reason: "already_stored",
      });
    },
    refused(reason) {
      onRefused?.(reason);
      const last = told.get(reason);
      const atMs = nowMs();
      if (last !== undefined && atMs - last.atMs < quietMs) {
        last.leftOut += 1;
        return;
      }
      told.set(reason, { atMs, leftOut: 0 });
      log.warn({ event: "webhook_refused", reason, left_out: last?.leftOut ?? 0 });
    },
  };
}
