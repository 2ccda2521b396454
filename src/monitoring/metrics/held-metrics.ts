import { Counter, Gauge, type Registry } from "prom-client";
import type { HeldBytes } from "../../http/held-bytes.ts";

/** Shows what the process holds for its clients, and how many requests it refused because of that. */
export function showHeldBytes(registry: Registry, held: HeldBytes): void {
  const registers = [registry];
  const bytes: Gauge = new Gauge({
    name: "meter_outbox_held_bytes",
    help: "Bytes of bodies being read and answers not taken yet, of all clients together",
    registers,
    collect: () => bytes.set(held.bytes),
  });
  const bytesMax = new Gauge({
    name: "meter_outbox_held_bytes_max",
    help: "Bytes that this process holds for its clients at most",
    registers,
  });
  bytesMax.set(held.bytesMax);
  const refusals: Counter = new Counter({
    name: "meter_outbox_held_bytes_refusals_total",
    help: "Requests answered 503 overloaded because more bytes would have been held",
    registers,
    collect: () => {
      refusals.reset();
      refusals.inc(held.refusals);
    },
  });
}
