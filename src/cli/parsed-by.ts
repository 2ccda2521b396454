import { InvalidArgumentError } from "commander";
import type { z } from "zod";

/**
 * Makes a schema the parser of an argument or option: a value that it refuses is wrong usage, with the schema's
 * message.
 */
export function parsedBy<T>(schema: z.ZodType<T>): (text: string) => T {
  return (text) => {
    const parsed = schema.safeParse(text);
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(parsed.error.issues.map(({ message }) => message).join("; "));
  };
}
