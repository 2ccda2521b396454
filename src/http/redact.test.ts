import { expect, test } from "vitest";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { makeApiKey } from "./api-key.ts";
import { createApp } from "./app.ts";
import { createSecretTest, redactPath } from "./redact.ts";

const adminToken = "operator/token+of the tests 0123456789";
const { key } = makeApiKey(Buffer.alloc(32, 7));
const looksSecret = createSecretTest([adminToken]);
const secrets = [
  key,
  `x${key}`,
  key.slice(0, 30),
  `sk_live_${"a1".repeat(12)}`,
  `sk_test_${"a1".repeat(12)}`,
  `rk_live_${"a1".repeat(12)}`,
  "whsec_abcdEFGH1234",
  adminToken,
];

test.each(secrets)("%s does not reach the log in a path, also percent-encoded", (secret) => {
  const bytes = [...Buffer.from(secret)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
  for (const form of [secret, encodeURIComponent(secret), bytes, `-${bytes}%ff`]) {
    const shown = redactPath(`/v1/sensors/${form}/x`, looksSecret);
    expect(shown).toContain("[redacted]");
    expect(shown).not.toContain(form);
  }
});

test.each([
  "/v1/sensors/demo_freezer-1",
  "/v1/sensors/mo_1",
  "/v1/organizations/01a1fe13-7cc8/api-keys",
  "/%",
])("%s is no secret", (path) => {
  expect(redactPath(path, looksSecret)).toBe(path);
});

test("a secret in the path or as request id is neither logged nor answered", async () => {
  const { log, events } = createRecordingLog();
  const app = createApp({ log, secrets: ["operator-token-of-the-tests-0123456789"] });
  for (const secret of [key, "sk_live_abcdefgh12345678", "operator-token-of-the-tests-0123456789"]) {
    const answer = await app.request(`/v1/${secret}`, { headers: { "x-request-id": secret } });
    const told = JSON.stringify([events, [...answer.headers], await answer.text()]);
    expect(told).not.toContain(secret);
    expect(answer.headers.get("x-request-id")).toMatch(/^[\da-f-]{36}$/);
  }
});
