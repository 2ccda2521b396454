import { Problem } from "../../http/problem.ts";
import type { ReadingsLimit } from "../../http/rate-limit.ts";
import { acceptReadings, type IntakeDeps } from "../../intake/accept-readings.ts";
import { type IndexedResult, type IntakeResult, resultsOf } from "../../intake/result-runs.ts";
import { jsonPointer } from "../../usage/json-pointer.ts";
import { parseDocument } from "./parse-document.ts";

export const readingsMax = 1_000;

export type DocumentDeps = IntakeDeps & { readingsLimit?: ReadingsLimit | undefined };
/** `results` lists the readings that were not plainly accepted, each with its place. */
type DocumentResult = Omit<IntakeResult, "runs"> & { results: IndexedResult[] };
type Sender = { organizationId: string; keyId: string };

/** Takes in a JSON body of one reading or several. Throws the problem to answer, after which nothing of it is stored. */
export async function acceptDocument(
  { readingsLimit, ...intake }: DocumentDeps,
  { organizationId, keyId }: Sender,
  text: string,
): Promise<{ status: 200 | 422; result: DocumentResult }> {
  const inputs = readingsOf(await parseJson(text));
  if (readingsLimit !== undefined) await readingsLimit.charge(keyId, inputs.length);
  const { runs, ...counts } = await acceptReadings(intake, organizationId, inputs);
  const result = { ...counts, results: [...resultsOf(runs)] };
  return { status: counts.rejected === inputs.length ? 422 : 200, result };
}

async function parseJson(text: string): Promise<unknown> {
  try {
    return await parseDocument(text, readingsMax);
  } catch (error) {
    const detail = "The body is not valid JSON.";
    throw new Problem({ status: 400, code: "malformed_json", detail }, { cause: error });
  }
}

function readingsOf(body: unknown): readonly unknown[] {
  const inputs = elementsOf(body);
  if (inputs.length > readingsMax) {
    const detail = `At most ${readingsMax} readings may be sent at once; these are ${inputs.length}.`;
    throw new Problem({ status: 413, code: "too_many_readings", detail });
  }
  if (inputs.length === 0) throw invalidBody({ pointer: "", code: "empty", detail: "holds no reading" });
  return inputs;
}

function elementsOf(body: unknown): readonly unknown[] {
  if (Array.isArray(body)) return body;
  if (typeof body !== "object" || body === null) {
    throw invalidBody({ pointer: "", code: "invalid", detail: "must be a reading or a list of readings" });
  }
  if (!("readings" in body)) return [body];
  const { readings, ...others } = body;
  const [unknownField] = Object.keys(others);
  if (unknownField !== undefined) {
    throw invalidBody({
      pointer: jsonPointer([unknownField]),
      code: "unknown_field",
      detail: "is not a field of this request",
    });
  }
  if (!Array.isArray(readings)) {
    throw invalidBody({ pointer: "/readings", code: "invalid", detail: "must be a list of readings" });
  }
  return readings;
}

function invalidBody(error: { pointer: string; code: string; detail: string }): Problem {
  const detail = `${error.pointer === "" ? "body" : error.pointer}: ${error.detail}`;
  return new Problem({ status: 400, code: "invalid_request", detail, errors: [error] });
}
