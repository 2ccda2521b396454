import { mapField, textField, type Form } from "../request/form.ts";
import { matchesType } from "../webhooks/endpoint.ts";
import { isDelivered, type StoredEvent } from "./stored-event.ts";

/** Whether an event passes `type`, `types`, `delivery_success` and `created` of a list call. */
export function isAskedFor(stored: StoredEvent, form: Form): boolean {
  const types = mapField(form, "types");
  const patterns = types === undefined ? [textField(form, "type") ?? "*"] : Object.values(types);
  if (!patterns.some((type) => typeof type === "string" && matchesType(type, stored.event.type)))
    return false;
  const success = textField(form, "delivery_success");
  if (success !== undefined && isDelivered(stored) !== (success === "true")) return false;
  return isWithin(stored.createdAt, form);
}

function isWithin(createdAt: number, form: Form): boolean {
  const exact = textField(form, "created");
  if (exact !== undefined) return createdAt === unixSeconds(exact);
  const range = mapField(form, "created") ?? {};
  const bound = (name: string, otherwise: number) => {
    const text = textField(range, name);
    return text === undefined ? otherwise : unixSeconds(text);
  };
  return (
    createdAt >= bound("gte", -Infinity) &&
    createdAt <= bound("lte", Infinity) &&
    createdAt > bound("gt", -Infinity) &&
    createdAt < bound("lt", Infinity)
  );
}

/** v1 gives times as unix seconds and v2 as RFC 3339 (certain). */
function unixSeconds(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Date.parse(text) / 1000;
}
