import type { z } from "zod";
import { jsonPointer } from "../usage/json-pointer.ts";
import { type InputError, notFound, Problem } from "./problem.ts";
import { tooManyItems } from "./short-list.ts";

/** A body can have tens of thousands of faults; no reader needs more than these. */
const errorsMax = 100;

type Issue = z.core.$ZodIssue;

/** The problem document for a request that does not fit its schema: where each fault is, and what is wrong there. */
export function invalidRequest(target: string, issues: readonly Issue[]): Problem {
  // No row has an id of this form, so the answer is that of an unknown id.
  const isImpossibleId = (issue: Issue) =>
    issue.code === "invalid_union" || (issue.code === "invalid_format" && issue.format === "uuid");
  if (target === "param" && issues.some(isImpossibleId)) return notFound("resource");

  const errors = issues.slice(0, errorsMax).flatMap(inputErrorsOf(target)).slice(0, errorsMax);
  const [first] = errors;
  const detail =
    first === undefined ? "The request is not valid." : `${first.pointer || "body"}: ${first.detail}`;
  if (first?.code === tooManyItems)
    return new Problem({ status: 413, code: "too_many_items", detail, errors });
  return new Problem({ status: 400, code: "invalid_request", detail, errors });
}

function inputErrorsOf(target: string): (issue: Issue) => InputError[] {
  const pointerTo = (path: readonly PropertyKey[]) =>
    target === "json" ? jsonPointer(path) : path.map(String).join(".");
  return (issue) => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.slice(0, errorsMax).map((key) => ({
        pointer: pointerTo([...issue.path, key]),
        code: "unknown_field",
        detail: "This field is not known.",
      }));
    }
    if (isMissing(issue))
      return [{ pointer: pointerTo(issue.path), code: "missing", detail: "This field is required." }];
    return [{ pointer: pointerTo(issue.path), code: codeOf(issue), detail: issue.message }];
  };
}

// Zod's issues hold the input only if it is asked to put it there, where it could end in an answer.
function isMissing(issue: Issue): boolean {
  return (
    issue.code === "invalid_type" && issue.path.length > 0 && issue.message.endsWith("received undefined")
  );
}

function codeOf(issue: Issue): string {
  if (issue.code !== "custom") return issue.code;
  const code: unknown = issue.params?.["code"];
  return typeof code === "string" ? code : "invalid";
}
