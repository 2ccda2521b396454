import { z } from "zod";

/** The operator's reason, for people who look later. */
export const reasonSchema = z
  .string()
  .trim()
  .min(1, "must say something")
  .max(500, "must have at most 500 characters");
