import { HTTPException } from "hono/http-exception";
import { isDatabaseUnavailable, isPoolBusy } from "../database/database-unavailable.ts";
import { Problem } from "./problem.ts";

const retryAfterSeconds = 2;
const noConnectionFree =
  "No connection to the database came free in time: other requests use all that this one may have, or the database does not answer. Try again.";

/** The problem document for an error. It shows nothing of an unexpected error's message. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof HTTPException) return problemOfHono(error);
  if (isDatabaseUnavailable(error)) {
    const detail = isPoolBusy(error)
      ? noConnectionFree
      : "The database cannot be reached at the moment. Try again.";
    const headers = { "retry-after": String(retryAfterSeconds) };
    return new Problem({ status: 503, code: "database_unavailable", detail, headers }, { cause: error });
  }
  if (isUnstorableText(error)) {
    const unstorable = "A text holds the character U+0000, which cannot be stored.";
    return new Problem({ status: 400, code: "invalid_character", detail: unstorable }, { cause: error });
  }
  const detail = "Something unexpected happened. Report the request_id.";
  return new Problem({ status: 500, code: "internal_error", detail }, { cause: error });
}

/** Postgres's error codes for U+0000 in text (22021) and in JSON (22P05). */
function isUnstorableText(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "22021" || error.code === "22P05");
}

// Hono itself throws for two reasons: a body that is not JSON, and a media type that the route does not take.
function problemOfHono(error: HTTPException): Problem {
  if (error.status === 415) {
    const detail = "The body's Content-Type is not supported here. Send application/json.";
    return new Problem({ status: 415, code: "unsupported_media_type", detail });
  }
  if (error.status === 400) {
    return new Problem({ status: 400, code: "malformed_json", detail: "The body is not valid JSON." });
  }
  return new Problem({ status: error.status, code: "http_error", detail: "The request was refused." });
}
