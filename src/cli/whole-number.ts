import { z } from "zod";
import { parsedBy } from "./parsed-by.ts";

/** Makes the parser of an argument that is a whole number in decimal digits, from 1 to `max`. */
export function wholeNumberTo(max: number): (text: string) => number {
  const digits = z.string().regex(/^\d+$/, "must be a whole number").transform(Number);
  return parsedBy(digits.pipe(z.number().min(1, "must be at least 1").max(max, `must be at most ${max}`)));
}
