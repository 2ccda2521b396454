import { z } from "zod";

const logLineSchema = z.looseObject({
  event: z.string(),
  port: z.number().nullish(),
  url: z.string().optional(),
});

/** What the demo reads from its children's logs: that they have started, and where. */
export type LogLine = z.infer<typeof logLineSchema>;

/** Parses one line of a JSON log; undefined when it is anything else, such as a warning of Node's. */
export function parseLogLine(line: string): LogLine | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return logLineSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
