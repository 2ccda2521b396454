import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { HeldBytes } from "../../http/held-bytes.ts";
import { showHeldBytes } from "./held-metrics.ts";

test("what is held, what may be, and what was refused is shown as it is when asked", async () => {
  const registry = new Registry();
  const held = new HeldBytes(100);
  showHeldBytes(registry, held);
  const hold = held.begin();
  hold.take(60);
  expect(() => hold.take(50)).toThrow("HELD_BYTES_MAX");
  for (const bytes of [60, 0]) {
    const text = await registry.metrics();
    expect(text).toContain(`\nmeter_outbox_held_bytes ${bytes}\n`);
    expect(text).toContain("\nmeter_outbox_held_bytes_max 100\n");
    expect(text).toContain("\nmeter_outbox_held_bytes_refusals_total 1\n");
    hold.release();
  }
});
