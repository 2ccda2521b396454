import { STATUS_CODES } from "node:http";

/** One fault of the input. `pointer` is a JSON pointer into the body, or the name of a query or path parameter. */
export type InputError = { pointer: string; code: string; detail: string };

type ProblemFields = {
  status: number;
  /** For programs: stable, one word. */
  code: string;
  /** For people: one sentence, without secrets. */
  detail: string;
  errors?: InputError[];
  /** Extension members, RFC 9457's name for further facts about a kind of problem. */
  members?: Readonly<Record<string, unknown>>;
  headers?: Record<string, string>;
  /** Writes the document where it is too long to be one text. */
  write?: (document: Readonly<Record<string, unknown>>) => ReadableStream<Uint8Array>;
};

/** A failure that the caller is told about. Thrown by routes and middleware only; inner functions return values. */
export class Problem extends Error {
  readonly fields: ProblemFields;

  constructor(fields: ProblemFields, options?: ErrorOptions) {
    super(fields.detail, options);
    this.name = "Problem";
    this.fields = fields;
  }
}

/** The 404 for a thing that does not exist, or whose existence the caller must not learn. */
export function notFound(what: string): Problem {
  return new Problem({ status: 404, code: "not_found", detail: `There is no such ${what}.` });
}

/** A problem as RFC 9457 says. `code` tells kinds apart, so `type` stays about:blank and `title` the status. */
export function problemBody({ fields }: Problem, requestId: string) {
  const { status, code, detail, errors, members } = fields;
  const title = STATUS_CODES[status] ?? "Unknown Error";
  return { type: "about:blank", title, status, code, detail, request_id: requestId, errors, ...members };
}

/** The answer that tells a caller of a problem. */
export function problemResponse(problem: Problem, requestId: string): Response {
  const { status, headers, write } = problem.fields;
  const document = problemBody(problem, requestId);
  return new Response(write?.(document) ?? JSON.stringify(document), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
}
