import { inSpan, isSampled, type Tracer } from "../tracing/tracer.ts";
import type { StoredAs } from "./judge-stored.ts";
import type { Batch } from "./columns.ts";

/** Requests that one statement's span links to at most. */
const linksMax = 32;

/**
 * Records one span for one statement: below the first traced request, linked to the others. `store` gets the
 * traceparent that its entries carry.
 */
export async function inStoreSpan(
  tracer: Tracer,
  batches: readonly Batch[],
  store: (traceparent: string | undefined) => Promise<StoredAs[][]>,
): Promise<StoredAs[][]> {
  if (!tracer.isOn) return store(undefined);
  const [parent, ...others] = batches.map(({ traceparent }) => traceparent).filter(isSampled);
  if (parent === undefined) return store(undefined);
  const options = {
    name: "intake store",
    kind: "client",
    parent,
    links: others.slice(0, linksMax),
    attributes: {
      "db.system.name": "postgresql",
      "meter_outbox.requests": batches.length,
      "meter_outbox.readings": batches.reduce((sum, { readings }) => sum + readings.length, 0),
    },
  } as const;
  return inSpan(tracer, options, async (span) => {
    const stored = await store(isSampled(span.traceparent) ? span.traceparent : undefined);
    const accepted = stored.flat().filter(({ status }) => status === "accepted").length;
    span.set({ "meter_outbox.accepted": accepted });
    return stored;
  });
}
