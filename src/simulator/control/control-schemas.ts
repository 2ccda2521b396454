import { z } from "zod";
import { faultSpecSchema } from "../faults/fault.ts";
import { settingsSchema } from "../settings.ts";

/** `now` is RFC 3339 or unix seconds; it is set first, then advanced, then frozen or let run. */
export const clockSchema = z.strictObject({
  now: z.union([z.iso.datetime({ offset: true }), z.number().nonnegative()]).optional(),
  advance_seconds: z.number().optional(),
  frozen: z.boolean().optional(),
});

export const keySchema = z.strictObject({
  key: z.string().min(1),
  status: z.enum(["active", "revoked", "forbidden"]),
  /** Of a restricted key: by the resource in the path, such as `invoices` or `billing`. */
  permissions: z.record(z.string(), z.enum(["none", "read", "write"])).optional(),
});

export const settingsPatchSchema = settingsSchema.partial();

/** One rule or a list of them. */
export const faultsSchema = z.preprocess(
  (body) => (Array.isArray(body) ? body : [body]),
  z.array(faultSpecSchema).min(1).max(100),
);

export const customersSchema = z.strictObject({
  ids: z.array(z.string().regex(/^\S+$/)).min(1).max(100_000),
});

export const seedSchema = z.strictObject({ seed: z.int() });

export const meterEventFilterSchema = z.strictObject({
  identifier: z.string().optional(),
  event_name: z.string().optional(),
  customer: z.string().optional(),
  double_counted: z.stringbool().optional(),
  limit: z.coerce.number().int().nonnegative().optional(),
  offset: z.coerce.number().int().nonnegative().optional(),
});

export const billFilterSchema = z.strictObject({
  customer: z.string().optional(),
  start_time: z.coerce.number().int().optional(),
  end_time: z.coerce.number().int().optional(),
});

export type ClockChange = z.infer<typeof clockSchema>;
