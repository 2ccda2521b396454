import { Hono } from "hono";
import { judgeReading } from "../../../src/usage/reading.ts";
import { limits, servePeer } from "./peer-server.ts";

// The least that a POST of a reading can be: parse, validate, answer. No authentication, no log, no database.
const app = new Hono();
app.post("/v1/readings", async (c) => {
  const body = await c.req.json<unknown>();
  const inputs: unknown[] = Array.isArray(body) ? body : [body];
  const at = new Date();
  const rejected = inputs.filter((input) => judgeReading(input, at, limits).kind !== "valid").length;
  const result = { accepted: inputs.length - rejected, duplicates: 0, rejected, results: [] };
  return c.json(result, rejected === inputs.length ? 422 : 200);
});

await servePeer(app);
