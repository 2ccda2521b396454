import { z } from "zod";
import { apiVersion } from "../api-version.ts";
import type { StoredEvent } from "../events/stored-event.ts";

const secretsMax = 10;
const typesMax = 1_000;

/** Where events are sent. Several secrets sign with one `v1` each, as while a secret is rotated (certain). */
export const endpointInputSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  secrets: z.array(z.string().regex(/^\S+$/)).min(1).max(secretsMax),
  payload: z.enum(["snapshot", "thin", "both"]).default("snapshot"),
  /** All types when absent; a `*` at the end stands for any rest. */
  types: z.array(z.string().min(1)).max(typesMax).optional(),
  /** A disabled one is sent nothing. */
  status: z.enum(["enabled", "disabled"]).default("enabled"),
  /** The version that events say they are rendered in; null: the account's own. */
  api_version: z.string().min(1).nullable().default(apiVersion),
  name: z.string().default(""),
  description: z.string().nullable().default(null),
  metadata: z.record(z.string(), z.string()).default({}),
});

/** The changeable parts of an endpoint, one by one. */
export const endpointPatchSchema = z.strictObject({
  url: endpointInputSchema.shape.url.optional(),
  secrets: endpointInputSchema.shape.secrets.optional(),
  payload: z.enum(["snapshot", "thin", "both"]).optional(),
  types: endpointInputSchema.shape.types,
  status: z.enum(["enabled", "disabled"]).optional(),
});

export type EndpointInput = z.input<typeof endpointInputSchema>;
export type EndpointPatch = z.infer<typeof endpointPatchSchema>;
export type WebhookEndpoint = z.output<typeof endpointInputSchema> & { id: string; createdAt: number };

/** Whether an endpoint has asked for this event. */
export function wants({ payload, types, status }: WebhookEndpoint, stored: StoredEvent): boolean {
  if (status === "disabled") return false;
  if (payload !== "both" && payload !== stored.payload) return false;
  return types === undefined || types.some((pattern) => matchesType(pattern, stored.event.type));
}

/** Whether a type is the one named, or belongs to the group that ends in `*`. */
export function matchesType(pattern: string, type: string): boolean {
  return pattern.endsWith("*") ? type.startsWith(pattern.slice(0, -1)) : pattern === type;
}
