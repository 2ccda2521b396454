import { expect, test } from "vitest";
import { createAnswerCheck } from "./answer-check.ts";
import type { OpenApiDocument } from "./document.ts";

const requestId = { "X-Request-Id": { $ref: "#/components/headers/RequestId" } };
const problem = {
  type: "object",
  properties: { status: { type: "integer" }, code: { type: "string" }, request_id: { type: "string" } },
  required: ["status", "code", "request_id"],
  additionalProperties: false,
};
const thing = {
  type: "object",
  properties: { id: { type: "string", format: "uuid" } },
  required: ["id"],
  additionalProperties: false,
};
const document: OpenApiDocument = {
  openapi: "3.1.0",
  info: { title: "things", version: "1", description: "" },
  components: {
    securitySchemes: {},
    schemas: { Problem: problem, Thing: thing },
    headers: { RequestId: { required: true, description: "", schema: { type: "string" } } },
    parameters: {},
  },
  paths: {
    "/things/{id}": {
      get: {
        operationId: "getThing",
        summary: "",
        tags: ["Things"],
        parameters: [],
        responses: {
          200: {
            description: "It",
            headers: requestId,
            content: { "application/json": { schema: { $ref: "#/components/schemas/Thing" } } },
          },
          401: {
            description: "No",
            headers: { ...requestId, "WWW-Authenticate": { required: true, description: "", schema: {} } },
            content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
          },
        },
      },
      delete: {
        operationId: "deleteThing",
        summary: "",
        tags: ["Things"],
        parameters: [],
        responses: { 204: { description: "Gone", headers: requestId } },
      },
    },
  },
  webhooks: {},
};
const id = "01a1fd63-6bbe-72c7-a170-59c5baa61302";
const refusal = (status: number) => JSON.stringify({ status, code: "no", request_id: "r" });
const challenge = {
  "x-request-id": "r",
  "www-authenticate": "Bearer",
  "content-type": "application/problem+json",
};
const check = createAnswerCheck(document);

function faults({
  method = "GET",
  path = "/things/1?x=/",
  status = 200,
  headers = {},
  text = `{"id":"${id}"}`,
}) {
  const all = new Headers({
    "x-request-id": "r",
    "content-type": "application/json; charset=utf-8",
    ...headers,
  });
  return check({ method, path, status, headers: all, text });
}

test.each([
  ["what the document says", {}],
  ["a refusal that it names", { status: 401, headers: challenge, text: refusal(401) }],
  ["nothing where it promises nothing", { method: "DELETE", status: 204, text: "" }],
  ["a HEAD", { method: "HEAD", text: "" }],
  ["a path that it does not have", { path: "/things", status: 404, headers: challenge, text: refusal(404) }],
  ["a method that it does not have", { method: "PUT", status: 405, headers: challenge, text: refusal(405) }],
])("%s is no fault", (_what, answer) => {
  expect(faults(answer)).toEqual([]);
});

test.each([
  ["a status that it does not name", { status: 201 }, "names no such status"],
  ["a member that it does not name", { text: `{"id":"${id}","size":1}` }, "additional properties"],
  ["a member that is missing", { text: "{}" }, "required property 'id'"],
  ["text of several lines in place of JSON", { text: "{}\n{}" }, "is no JSON"],
  ["a value of another form", { text: '{"id":"1"}' }, 'match format "uuid"'],
  ["another content type", { headers: { "content-type": "text/plain" } }, "content type is text/plain"],
  ["a body where there is none", { method: "DELETE", status: 204 }, "there is a body"],
  ["a HEAD with a body", { method: "HEAD" }, "HEAD was answered with a body"],
  [
    "a problem of another status",
    { status: 401, headers: challenge, text: refusal(403) },
    "the problem says 403",
  ],
  ["success where it has no path", { path: "/", status: 200 }, "names no such status"],
  ["a failure where it has no path", { path: "/", status: 500, headers: challenge }, "names no such status"],
])("%s is a fault", (_what, answer, fault) => {
  expect(faults(answer)).toEqual([expect.stringContaining(fault)]);
});

test("a refusal without a header that it promises is a fault", () => {
  const headers = { "content-type": "application/problem+json" };
  expect(faults({ status: 401, headers, text: refusal(401) })).toEqual([
    expect.stringContaining("the header WWW-Authenticate is missing"),
  ]);
});

test("an answer that does not name its request is at fault, and so is a problem that names another", () => {
  const headers = new Headers({ "content-type": "application/json" });
  const found = check({ method: "GET", path: "/things/1", status: 200, headers, text: `{"id":"${id}"}` });
  expect(found).toEqual([expect.stringContaining("the header X-Request-Id is missing")]);

  const other = { ...challenge, "x-request-id": "other" };
  expect(faults({ status: 401, headers: other, text: refusal(401) })).toEqual([
    expect.stringContaining("the problem names another request"),
  ]);
});
