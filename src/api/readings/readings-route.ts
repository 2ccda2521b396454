import { createRoute, z } from "@hono/zod-openapi";
import type { App } from "../../http/app-env.ts";
import type { KeyOnly } from "../../http/authentication.ts";
import { isJsonType, jsonAnswer } from "../../http/json-content.ts";
import { bodyProblems, keyProblems, problemAnswer, problemSchema } from "../../http/problem-answers.ts";
import { Problem } from "../../http/problem.ts";
import { readBody } from "../../http/read-body.ts";
import { bodyBytesMax } from "../../http/take-body.ts";
import { readingSchema } from "../../usage/reading.ts";
import type { KnownKeys } from "../guards.ts";
import { acceptDocument, readingsMax } from "./accept-document.ts";
import { ndjsonReadingsMax } from "./accept-lines.ts";
import { answerLines, type LineDeps } from "./answer-lines.ts";
import { createPostShortcut } from "./post-shortcut.ts";

const faultSchema = z.strictObject({ pointer: z.string(), code: z.string(), detail: z.string() });
const resultSchema = z.strictObject({
  accepted: z.int(),
  duplicates: z.int(),
  rejected: z.int(),
  results: z.array(
    z.strictObject({
      index: z.int(),
      status: z.enum(["duplicate", "rejected"]),
      code: z.string(),
      detail: z.string(),
      errors: z.array(faultSchema).optional(),
      errors_left_out: z
        .int()
        .optional()
        .openapi({ description: "how many faults of this reading `errors` does not list" }),
    }),
  ),
});

/** A problem that ended NDJSON after a commit says what was taken in. */
const interruptedSchema = z
  .strictObject({ ...problemSchema.shape, ...resultSchema.partial().shape })
  .openapi("ReadingsProblem");
const problems = { ...bodyProblems, ...keyProblems };

function interrupted<Answer extends { description: string }>(answer: Answer) {
  return { ...answer, ...problemAnswer(answer.description, { schema: interruptedSchema }) };
}

const readingsBody = z.union([
  z.strictObject({ readings: z.array(readingSchema).min(1).max(readingsMax) }),
  z.array(readingSchema).min(1).max(readingsMax),
  readingSchema,
]);

const linesSchema = z.string().openapi({
  description: "One reading a line, each as in `readings`. Blank lines do not count.",
  example: '{"sensor_id":"freezer-1","recorded_at":"2026-11-20T10:00:00Z","temperature":-18.4}\n',
});
const resultLines = z.string().openapi({
  description:
    "For NDJSON, when `Accept` asks for it: one line for each reading, in order, once its chunk is committed, `accepted` ones too. What ends the request early is the last line, with the status `aborted`.",
  example: '{"index":0,"status":"accepted"}\n',
});

const postReadingsRoute = createRoute({
  method: "post",
  path: "/v1/readings",
  operationId: "postReadings",
  summary: `Store up to ${readingsMax} readings, or ${ndjsonReadingsMax} as NDJSON`,
  description:
    "Answered after the commit. `results` lists every reading that was not plainly accepted, of an invalid one up to ten faults, and of all together up to 1,000; `errors_left_out` counts the others. The same readings may be sent again: none that is stored is stored or billed twice. NDJSON, one reading a line, is stored in chunks of up to 1,000 as it arrives: what was stored before a failure, or before a line too many, stays, and the problem says how much in `accepted`, `duplicates`, `rejected` and `results`.",
  tags: ["Readings"],
  security: [{ apiKey: [] }],
  request: {
    body: {
      required: true,
      content: {
        "application/json": { schema: readingsBody },
        "application/x-ndjson": { schema: linesSchema },
      },
    },
  },
  responses: {
    200: {
      description: "Stored, or some of them",
      content: {
        "application/json": { schema: resultSchema },
        "application/x-ndjson": { schema: resultLines },
      },
    },
    422: jsonAnswer("All of them were rejected", resultSchema),
    ...problems,
    400: interrupted(problems[400]),
    401: interrupted(problems[401]),
    403: interrupted(problems[403]),
    413: interrupted(problems[413]),
    503: interrupted(problems[503]),
  },
});

type Mounted = LineDeps & {
  mayWrite: KeyOnly;
  /** Without them every request takes the whole way, and its key is not looked at again. */
  keys?: KnownKeys;
};

/** Adds `POST /v1/readings`. Its elements are judged one by one, so the document's schema does not refuse the whole. */
export function mountReadings(app: App, { mayWrite, keys, ...intake }: Mounted): void {
  const { readingsLimit } = intake;
  const { path } = postReadingsRoute;
  app.openAPIRegistry.registerPath(postReadingsRoute);
  if (keys !== undefined && !app.parts.isTraced)
    app.shortcut = createPostShortcut(app.parts, { intake, keys, path });
  app.post(path, mayWrite, async (c) => {
    const { organizationId, keyId, requestId, hold } = c.var;
    const mayStillWrite = async () => keys?.expectKey(c.req.header("authorization"), "ingest");
    const form = formOf(c.req.header("content-type"));
    if (readingsLimit !== undefined) await readingsLimit.admit(keyId);
    if (form === "lines") {
      const caller = { organizationId, keyId, requestId, hold: hold.beginAnother(), mayStillWrite };
      return answerLines(c, intake, caller);
    }
    const text = await readBody(c.req.raw, { bytesMax: bodyBytesMax, hold });
    await mayStillWrite();
    const { status, result } = await acceptDocument(intake, { organizationId, keyId }, text);
    return c.json(result, status);
  });
}

function formOf(contentType = ""): "document" | "lines" {
  if (isJsonType(contentType)) return "document";
  if (/^application\/x-ndjson\s*(;|$)/i.test(contentType)) return "lines";
  const detail = "Send readings as application/json or application/x-ndjson.";
  throw new Problem({ status: 415, code: "unsupported_media_type", detail });
}
