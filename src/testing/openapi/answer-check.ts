import { type DocumentedResponse, findOperation, type OpenApiDocument, operationsOf } from "./document.ts";
import { createValidators } from "./schema-validators.ts";

type CheckedAnswer = {
  method: string;
  /** As asked, with the query. */
  path: string;
  status: number;
  headers: Headers;
  text: string;
};

export type AnswerCheck = (answer: CheckedAnswer) => string[];

/** Returns nothing for a request that the document does not have. */
const refusalsOfUndocumented = new Set([400, 404, 405, 413, 415, 429]);

/**
 * Makes the strict comparison of answers with the document: a sentence for each difference, none when the answer is as
 * documented. A status, content type or member that the document does not name is a difference.
 */
export function createAnswerCheck(document: OpenApiDocument): AnswerCheck {
  const operations = operationsOf(document);
  const faultsOf = createValidators(document);
  const problem = document.components.schemas["Problem"];
  if (problem === undefined) throw new Error("the document does not say what a problem is");
  const refusal: DocumentedResponse = {
    description: "Refused",
    headers: { "X-Request-Id": { $ref: "#/components/headers/RequestId" } },
    content: { "application/problem+json": { schema: problem } },
  };

  function check(response: DocumentedResponse, { method, status, headers, text }: CheckedAnswer): string[] {
    const missing = Object.entries(response.headers)
      .filter(([name, header]) => ("$ref" in header || header.required) && !headers.has(name))
      .map(([name]) => `the header ${name} is missing`);
    if (method === "HEAD") return text === "" ? missing : [...missing, "a HEAD was answered with a body"];
    if (response.content === undefined) return text === "" ? missing : [...missing, "there is a body"];
    const [type = ""] = (headers.get("content-type") ?? "").split(";");
    const content = response.content[type];
    if (content === undefined) return [...missing, `the content type is ${type}`];
    if (!/[/+]json$/.test(type)) return [...missing, ...faultsOf(content.schema)(text)];
    const body = parse(text);
    if (body === undefined) return [...missing, "the body is no JSON"];
    return [...missing, ...faultsOf(content.schema)(body), ...problemFaults({ status, headers, type }, body)];
  }

  return (answer) => {
    const { method, path, status } = answer;
    const operation = findOperation(operations, answer);
    const response = operation === undefined ? refusal : operation.responses[String(status)];
    const faults =
      response === undefined || (operation === undefined && !refusalsOfUndocumented.has(status))
        ? ["the document names no such status"]
        : check(response, answer);
    return faults.map(
      (fault) => `${method} ${path} answered ${status}: ${fault}: ${answer.text.slice(0, 500)}`,
    );
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A problem says the same as the answer that carries it. */
function problemFaults(
  { status, headers, type }: { status: number; headers: Headers; type: string },
  body: unknown,
): string[] {
  if (type !== "application/problem+json" || typeof body !== "object" || body === null) return [];
  const told = { status: "status" in body && body.status, id: "request_id" in body && body.request_id };
  return [
    ...(told.status === status ? [] : [`the problem says ${String(told.status)}`]),
    ...(told.id === headers.get("x-request-id") ? [] : ["the problem names another request"]),
  ];
}
