import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { sql } from "kysely";
import { expect, onTestFinished } from "vitest";
import type { Db } from "../../database/db.ts";
import { findViolations } from "../../testing/rows/invariants.ts";
import { findOperation, type JsonSchema, type Operation } from "../../testing/openapi/document.ts";
import { createValidators } from "../../testing/openapi/schema-validators.ts";
import { breakRequest } from "./broken-request.ts";
import { mayChange, unexplainedChanges } from "./explained-changes.ts";
import { openObjects } from "./fits-schema.ts";
import { fitsOperation, type FuzzRequest, toRequest } from "./fuzz-request.ts";
import { type Fuzzed, fuzzTest as test } from "./fuzz-fixture.ts";
import { takenFaults } from "./taken-body.ts";
import { patienceMs } from "../../testing/processes/patience.ts";

/** `FUZZ_REQUESTS` makes it more; another `FUZZ_SEED` makes other requests, or repeats what a failure printed. */
const requests = Number(process.env["FUZZ_REQUESTS"] ?? 2_000);
const seed = Number(process.env["FUZZ_SEED"] ?? 20_261_120);
const timeout = patienceMs(60_000 + requests * 20);
const answerWithinMs = 20_000;

/**
 * Rules that the document's schemas cannot say: relations between members, and lists of names that only a library has.
 */
const refusedForMore: Record<string, readonly string[]> = {
  getUsage: ["invalid_request"],
  getOrganizationUsage: ["invalid_request"],
  getUsageSummary: ["invalid_request"],
  putSubscription: ["invalid_request"],
  registerSensors: ["invalid_request"],
  receiveStripeEvent: ["invalid_event"],
};
/**
 * Refusals because a thing does not exist, or is not in the right state; every other refusal says that the request is
 * at fault.
 */
const refusedForState = new Set([404, 409, 410, 422]);

test(
  "whatever fits the document is taken, and changes what the answer tells",
  { timeout },
  async ({ fuzzed, api, database }) => {
    const { source, known } = fuzzed;
    const fitting = (operation: Operation) => fitsOperation(operation, source, known);
    await fuzz({ fuzzed, api, database }, { share: 0.4, anyOf: fitting }, (request, { status, code }) => {
      if (status < 400 || refusedForState.has(status)) return;
      const { operationId } = request.operation;
      expect(refusedForMore[operationId] ?? [], `${status} ${code}`).toContain(code);
    });
  },
);

test(
  "whatever does not fit is refused, stores nothing and breaks nothing",
  { timeout },
  async ({ fuzzed, api, database }) => {
    const { source, known, wrongTokens } = fuzzed;
    const faultsOf = createValidators(source);
    const fits = (schema: JsonSchema, value: unknown) => faultsOf(schema)(value).length === 0;
    const broken = (operation: Operation) =>
      fitsOperation(operation, source, known).chain((request) => breakRequest(request, wrongTokens));
    await fuzz({ fuzzed, api, database }, { share: 0.6, anyOf: broken }, (request, { status, text }) => {
      expect(status < 300 ? takenFaults(request, text, fits) : []).toEqual([]);
    });
  },
);

test("what a route may change is said of routes that exist", ({ fuzzed: { operations } }) => {
  expect(operations.map(({ operationId }) => operationId)).toEqual(
    expect.arrayContaining([...Object.keys(mayChange), ...Object.keys(refusedForMore)]),
  );
});

test("a body names every member that it may have", ({ fuzzed: { operations, source } }) => {
  const open = operations.flatMap(({ operationId, requestBody }) =>
    Object.values(requestBody?.content ?? {}).flatMap(({ schema }) =>
      openObjects(schema, source, operationId),
    ),
  );
  // Stripe may add members to its events at any time.
  expect(open.filter((place) => !place.startsWith("receiveStripeEvent"))).toEqual([]);
});

type Given = {
  fuzzed: Fuzzed;
  api: { request: Ask; events: readonly { event: string }[] };
  database: { db: Db };
};
type Ask = (path: string, init: RequestInit) => Promise<Response>;
type Wanted = { share: number; anyOf: (operation: Operation) => fc.Arbitrary<FuzzRequest> };
type Answer = { status: number; code: string; text: string };

/**
 * Asks every route its share of the requests, one after the other, and checks every answer: it comes, it is as
 * documented and no 5xx, and it explains all changes. Then all rows are checked together.
 */
async function fuzz(
  { fuzzed, api, database: { db } }: Given,
  { share, anyOf }: Wanted,
  check: (request: FuzzRequest, answer: Answer) => void,
): Promise<void> {
  const { operations, known, readChanges } = fuzzed;
  const rejections = watchRejections();
  const runsPerWeight = (requests * share) / operations.reduce((sum, one) => sum + weightOf(one), 0);
  let isHung = false;
  const property = telling(async (request) => {
    // Shrinking would wait as long again for each smaller request.
    if (isHung) return;
    await readChanges();
    const answer = await answerTo(api.request, request);
    isHung = answer === "no answer";
    if (answer === "no answer") throw new Error("no answer came");
    const { method, token } = request;
    // With another method or path it may have been for another route.
    const operation = findOperation(operations, { method, path: toRequest(request).path });
    const outcome = {
      ...answer,
      operation,
      isAllowed: operation?.token === undefined || token === known.tokens[operation.token],
      changes: await readChanges(),
      organizationId: known.organizationId,
    };
    expect(answer.status).toBeLessThan(500);
    expect(unexplainedChanges(outcome)).toEqual([]);
    check(request, answer);
  });
  for (const operation of operations) {
    const numRuns = Math.ceil(runsPerWeight * weightOf(operation));
    await fc.assert(fc.asyncProperty(anyOf(operation), property), { numRuns, seed });
  }
  expect(await findViolations(db)).toEqual([]);
  expect(await findImpossibleRows(db)).toEqual([]);
  expect(rejections).toEqual([]);
  expect(api.events.filter(({ event }) => event === "http_request_failed")).toEqual([]);
}

/** Routes that take nothing, or nothing but a token, have less that can be wrong. */
function weightOf({ token, requestBody }: Operation): number {
  if (requestBody !== undefined) return 9;
  return token === undefined ? 1 : 5;
}

/** A failure says what was sent in a form that people read, and paste. */
function telling(property: (request: FuzzRequest) => Promise<void>): (request: FuzzRequest) => Promise<void> {
  return async (request) => {
    try {
      await property(request);
    } catch (error) {
      const { path, init } = toRequest(request);
      const { method, headers, body } = { ...init, body: Buffer.from(request.body ?? []).toString("latin1") };
      const text = error instanceof Error ? error.message : String(error);
      throw new Error(`${JSON.stringify({ method, path, headers, body })}: ${text}`, { cause: error });
    }
  };
}

/** Asks, and waits for the answer no longer than a patient client would. */
async function answerTo(ask: Ask, request: FuzzRequest): Promise<Answer | "no answer"> {
  const { path, init } = toRequest(request);
  const timer = new AbortController();
  const tooLate = sleep(answerWithinMs, "no answer" as const, { signal: timer.signal }).catch(
    () => "no answer" as const,
  );
  const answer = await Promise.race([ask(path, init), tooLate]);
  timer.abort();
  if (answer === "no answer") return answer;
  const text = await answer.text();
  const code = answer.status < 400 ? undefined : /"code":"(\w+)"/.exec(text)?.[1];
  return { status: answer.status, code: code ?? "", text };
}

function watchRejections(): unknown[] {
  const rejections: unknown[] = [];
  const note = (reason: unknown) => void rejections.push(reason);
  process.on("unhandledRejection", note);
  onTestFinished(() => void process.off("unhandledRejection", note));
  return rejections;
}

/** Rows that no valid request could have stored. */
async function findImpossibleRows(db: Db): Promise<string[]> {
  const { rows } = await sql<{ fault: string }>`
    select 'reading of ' || sensor_id as fault from metering.readings
    where temperature < -273.15 or temperature in ('infinity', 'NaN')
      or recorded_at not between now() - interval '366 days' and now() + interval '6 minutes'
    union all
    select 'sensor name ' || name from metering.sensors where name ~ '[\\x01-\\x1f\\x7f]' or name <> btrim(name)
    union all
    select 'organization name ' || name from metering.organizations where name ~ '[\\x01-\\x1f\\x7f]' or name <> btrim(name)
    union all
    select 'reading of no sensor ' || r.sensor_id from metering.readings r
    where not exists (select from metering.sensors s where s.organization_id = r.organization_id and s.id = r.sensor_id)
  `.execute(db);
  return rows.map(({ fault }) => fault);
}
