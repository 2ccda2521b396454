import { isCreatedWithin } from "../request/created-range.ts";
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
  return isCreatedWithin(stored.createdAt, form);
}
