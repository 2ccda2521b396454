import { Hono } from "hono";
import { acceptDocument } from "../../../src/api/readings/accept-document.ts";
import { problemOf } from "../../../src/http/failure.ts";
import { problemResponse } from "../../../src/http/problem.ts";
import { limits, servePeer } from "./peer-server.ts";

// The least that a POST of readings can be: parse, validate, answer, all as we do. No authentication, no log, no
// database.
const app = new Hono();
const accepted = { status: "accepted" } as const;
const intake = {
  store: async (_organizationId: string, readings: readonly unknown[]) => readings.map(() => accepted),
  now: () => new Date(),
  limits,
};
const sender = { organizationId: "", keyId: "" };
app.post("/v1/readings", async (c) => {
  const { status, result } = await acceptDocument(intake, sender, await c.req.text());
  return c.json(result, status);
});
app.onError((error) => problemResponse(problemOf(error), ""));

await servePeer(app);
