import type { Answer } from "./answer.ts";
import { refuse } from "./errors.ts";

const keyMaxLength = 255;

type Entry = { fingerprint: string; begunAtMs: number; answer: Answer | undefined };

/** Answers kept per Idempotency-Key, oldest first. An entry without an answer is in flight. */
export type IdempotencyStore = Map<string, Entry>;

type Attempt = { key: string; apiKey: string; fingerprint: string; nowMs: number; retentionSeconds: number };

export type Beginning =
  | { begun: "first"; entryKey: string }
  | { begun: "replay"; answer: Answer }
  | { begun: "refused"; answer: Answer };

/**
 * Looks up an Idempotency-Key before the work (docs.stripe.com/api/idempotent_requests, certain): a known
 * key replays status and body, stored 500s included; other parameters or a request still in flight are refused.
 */
export function beginIdempotent(store: IdempotencyStore, attempt: Attempt): Beginning {
  if (attempt.key.length > keyMaxLength) {
    return { begun: "refused", answer: keyTooLong() };
  }
  forgetOld(store, attempt);
  const entryKey = `${attempt.apiKey} ${attempt.key}`;
  const entry = store.get(entryKey);
  if (entry === undefined) {
    store.set(entryKey, { fingerprint: attempt.fingerprint, begunAtMs: attempt.nowMs, answer: undefined });
    return { begun: "first", entryKey };
  }
  if (entry.fingerprint !== attempt.fingerprint)
    return { begun: "refused", answer: otherParameters(attempt.key) };
  if (entry.answer === undefined) return { begun: "refused", answer: keyInUse(attempt.key) };
  const headers = { ...entry.answer.headers, "Idempotent-Replayed": "true" };
  return { begun: "replay", answer: { ...entry.answer, headers } };
}

/**
 * Keeps the answer, or forgets the key so that it can be used again.
 * v1 keeps what was executed, which a 429 and a concurrent conflict never are (same page, certain); v2 repeats successes
 * only and does failed work again (docs.stripe.com/api-v2-overview as quoted by its readers, less certain).
 */
export function finishIdempotent(
  store: IdempotencyStore,
  { entryKey, answer, api }: { entryKey: string; answer: Answer; api: "v1" | "v2" },
): void {
  const entry = store.get(entryKey);
  if (entry === undefined) return;
  const isKept = api === "v1" ? answer.executed : answer.status < 300;
  if (isKept) entry.answer = answer;
  else store.delete(entryKey);
}

function forgetOld(store: IdempotencyStore, { nowMs, retentionSeconds }: Attempt): void {
  for (const [entryKey, entry] of store) {
    if (nowMs - entry.begunAtMs < retentionSeconds * 1000) return;
    store.delete(entryKey);
  }
}

function keyTooLong(): Answer {
  const message = `Idempotency keys must be at most ${keyMaxLength} characters.`;
  return refuse(400, { type: "invalid_request_error", message });
}

function otherParameters(key: string): Answer {
  const message =
    `Keys for idempotent requests can only be used with the same parameters they were first used with. ` +
    `Try using a key other than '${key}' if you meant to execute a different request.`;
  return refuse(400, { type: "idempotency_error", message });
}

function keyInUse(key: string): Answer {
  const message = `There is currently another in-progress request using this Idempotency-Key (${key}).`;
  return refuse(409, { type: "idempotency_error", code: "idempotency_key_in_use", message });
}
