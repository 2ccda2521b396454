import { createRoute, z } from "@hono/zod-openapi";
import { Hono } from "hono";
import { expect, test } from "vitest";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { createApp } from "./app.ts";
import { bodyBytesMax, takeBody } from "./take-body.ts";
import { jsonAnswer, jsonBody } from "./json-content.ts";

const echoRoute = createRoute({
  method: "post",
  path: "/echo",
  request: { body: jsonBody(z.strictObject({ name: z.string() })) },
  responses: { 200: jsonAnswer("The same", z.object({ name: z.string() })) },
});

function createEchoApp() {
  const { log, events } = createRecordingLog();
  const app = createApp({ log });
  app.openapi({ ...echoRoute, middleware: takeBody }, (c) => c.json(c.req.valid("json"), 200));
  app.post("/large", async (c) => c.text(String((await c.req.arrayBuffer()).byteLength)));
  app.get("/broken", () => {
    throw new Error("password=hunter2");
  });
  app.get("/without-database", () => {
    throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  });
  const post = (
    body: string | ArrayBuffer | ReadableStream,
    headers: Record<string, string> = { "content-type": "application/json" },
  ) =>
    app.request("/echo", {
      method: "POST",
      body,
      headers,
      ...(body instanceof ReadableStream && { duplex: "half" }),
    });
  return { app, post, events };
}

async function failureOf(answer: Response): Promise<unknown> {
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  const problem = z
    .object({ status: z.number(), code: z.string(), request_id: z.string() })
    .parse(await answer.json());
  expect(problem.status).toBe(answer.status);
  expect(problem.request_id).toBe(answer.headers.get("x-request-id"));
  return problem.code;
}

test("a body that fits is taken", async () => {
  const answer = await createEchoApp().post('{"name":"Ünal"}');
  expect(await answer.json()).toEqual({ name: "Ünal" });
});

test("a path that does not exist is not found", async () => {
  const answer = await createEchoApp().app.request("/nowhere");
  expect(answer.status).toBe(404);
  expect(await failureOf(answer)).toBe("not_found");
});

test("another method on a path that exists is told which are allowed", async () => {
  const answer = await createEchoApp().app.request("/echo", { method: "DELETE" });
  expect(answer.status).toBe(405);
  expect(answer.headers.get("allow")).toBe("POST");
  expect(await failureOf(answer)).toBe("method_not_allowed");
});

test("a body that is no JSON is malformed", async () => {
  const answer = await createEchoApp().post('{"name":');
  expect(answer.status).toBe(400);
  expect(await failureOf(answer)).toBe("malformed_json");
});

test("a body of another type is refused, and so is one without a type", async () => {
  const { post } = createEchoApp();
  for (const headers of [{ "content-type": "text/plain" }, { "content-type": "" }]) {
    const answer = await post('{"name":"x"}', headers);
    expect(answer.status).toBe(415);
    expect(await failureOf(answer)).toBe("unsupported_media_type");
  }
});

test("a body above 1 MiB is refused by the length it announces", async () => {
  const headers = { "content-type": "application/json", "content-length": String(bodyBytesMax + 1) };
  const answer = await createEchoApp().post("{}", headers);
  expect(answer.status).toBe(413);
  expect(await failureOf(answer)).toBe("body_too_large");
});

test("a body above 1 MiB is refused when it announces no length", async () => {
  const answer = await createEchoApp().post(new Blob(["a".repeat(bodyBytesMax + 1)]).stream());
  expect(answer.status).toBe(413);
  expect(await failureOf(answer)).toBe("body_too_large");
});

test("a body that unpacks to more than 1 MiB is refused", async () => {
  const packed = new Blob(["a".repeat(bodyBytesMax + 1)]).stream().pipeThrough(new CompressionStream("gzip"));
  const bytes = await new Response(packed).arrayBuffer();
  const headers = {
    "content-type": "application/json",
    "content-encoding": "gzip",
    "content-length": String(bytes.byteLength),
  };
  expect((await createEchoApp().post(bytes, headers)).status).toBe(413);
});

test("a route with its own limit gets larger bodies", async () => {
  const body = "a".repeat(bodyBytesMax + 1);
  const answer = await createEchoApp().app.request("/large", { method: "POST", body });
  expect(await answer.text()).toBe(String(bodyBytesMax + 1));
});

test("an unexpected error is logged and its message is not told", async () => {
  const { app, events } = createEchoApp();
  const answer = await app.request("/broken");
  expect(answer.status).toBe(500);
  expect(await answer.clone().text()).not.toContain("hunter2");
  expect(await failureOf(answer)).toBe("internal_error");
  const error: unknown = expect.objectContaining({ message: "password=hunter2" });
  expect(events).toContainEqual(expect.objectContaining({ event: "http_request_failed", error }));
});

test("a database that cannot be reached asks the caller to come again", async () => {
  const answer = await createEchoApp().app.request("/without-database");
  expect(answer.status).toBe(503);
  expect(answer.headers.get("retry-after")).toBe("2");
  expect(await failureOf(answer)).toBe("database_unavailable");
});

test("a sane X-Request-Id is kept, any other is replaced", async () => {
  const { app } = createEchoApp();
  const idFor = async (id: string) =>
    (await app.request("/nowhere", { headers: { "x-request-id": id } })).headers.get("x-request-id");
  expect(await idFor("trace-1.2:3")).toBe("trace-1.2:3");
  for (const id of ["", "a b", "<script>", "x".repeat(129)]) {
    expect(await idFor(id)).toMatch(/^[0-9a-f-]{36}$/);
  }
});

test("every request is logged once, without its query", async () => {
  const { app, events } = createEchoApp();
  await app.request("/nowhere?key=secret");
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({ event: "http_request", method: "GET", path: "/nowhere", status: 404 });
  const fields = ["duration_ms", "event", "method", "path", "request_id", "status"];
  expect(Object.keys(events[0] ?? {}).toSorted()).toEqual(fields);
});

test("the route of a page is told, although a page for every other path stands behind it", async () => {
  const routes: (string | undefined)[] = [];
  const { log } = createRecordingLog();
  const app = createApp({ log, onAnswered: ({ route }) => routes.push(route) });
  const pages = new Hono();
  pages.get("/:id", (c) => c.text("here"));
  pages.all("*", (c) => c.text("there is no such page", 404));
  app.route("/pages", pages);

  expect((await app.request("/pages/1")).status).toBe(200);
  expect((await app.request("/pages/1/2")).status).toBe(404);

  expect(routes).toEqual(["/pages/:id", undefined]);
});
