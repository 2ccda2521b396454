import type { RelatedObject, SnapshotEvent } from "./stored-event.ts";

const paths: ReadonlyMap<string, string> = new Map([
  ["billing.meter", "/v1/billing/meters"],
  ["checkout.session", "/v1/checkout/sessions"],
  ["customer", "/v1/customers"],
  ["invoice", "/v1/invoices"],
  ["subscription", "/v1/subscriptions"],
]);

/**
 * The thin event beside a snapshot event: its type has a `v1.` in front, and `snapshot_event` names the other
 * (changelog endive/2026-09-30, certain). Its `changes` are left out.
 */
export function thinTwin({ id, type, livemode, data, request }: SnapshotEvent) {
  return {
    type: `v1.${type}`,
    livemode,
    related_object: relatedObject(data.object),
    snapshot_event: id,
    reason: request.id === null ? null : { type: "request", request },
  };
}

function relatedObject(object: object): RelatedObject | null {
  if (!("id" in object) || !("object" in object)) return null;
  const path = paths.get(String(object.object));
  const id = String(object.id);
  return path === undefined ? null : { id, type: String(object.object), url: `${path}/${id}` };
}
