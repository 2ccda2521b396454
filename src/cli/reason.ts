import { z } from "zod";

/** Why an operator does something, for whoever looks later. */
export const reasonSchema = z
  .string()
  .trim()
  .min(1, "must say something")
  .max(500, "must have at most 500 characters");
