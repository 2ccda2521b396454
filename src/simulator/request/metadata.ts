import { mapField, textField, type Form } from "./form.ts";

/**
 * Merges `metadata[...]` into the stored metadata: an empty value removes its key (docs.stripe.com/api/metadata,
 * certain).
 */
export function readMetadata(form: Form, before: Record<string, string>): Record<string, string> {
  const fields = mapField(form, "metadata") ?? {};
  const merged = { ...before };
  for (const name of Object.keys(fields)) {
    const value = textField(fields, name) ?? "";
    if (value === "") delete merged[name];
    else merged[name] = value;
  }
  return merged;
}
