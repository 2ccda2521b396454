import { createServer } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { listen } from "../../testing/net/listen.ts";
import type { AlertPost } from "./alert-post.ts";
import { sendAlertTo } from "./send-alert.ts";

const post: AlertPost = {
  text: "[warning] MeterOutboxInDoubt: 2 meter events are in doubt",
  id: "MeterOutboxInDoubt/2026-11-27T10:00:00.000Z",
  alert: "MeterOutboxInDoubt",
  state: "began",
  severity: "warning",
  summary: "2 meter events are in doubt",
  labels: {},
  value: 2,
  began_at: "2026-11-27T10:00:00.000Z",
  ended_at: null,
  runbook: "docs/metrics.md#meteroutboxindoubt",
};

test("the user and password of a receiver's address are sent as its log-in", async () => {
  const came: unknown[] = [];
  const receiver = createServer(({ url, headers: { authorization } }, answer) => {
    came.push({ url, authorization });
    answer.end();
  });
  onTestFinished(() => void receiver.close());
  const port = await listen(receiver);

  expect(await sendAlertTo(`http://127.0.0.1:${port}/alerts`)(post)).toBeUndefined();
  expect(await sendAlertTo(`http://grafana:p%40ss%zz@127.0.0.1:${port}/alerts`)(post)).toBeUndefined();

  expect(came).toEqual([
    { url: "/alerts", authorization: undefined },
    { url: "/alerts", authorization: `Basic ${Buffer.from("grafana:p@ss%zz").toString("base64")}` },
  ]);
});

test("a redirect is not followed, and its status says why the post was not taken", async () => {
  const came: unknown[] = [];
  const receiver = createServer(({ url }, answer) => {
    came.push(url);
    answer.writeHead(301, { location: "/elsewhere" }).end();
  });
  onTestFinished(() => void receiver.close());
  const port = await listen(receiver);

  expect(await sendAlertTo(`http://127.0.0.1:${port}/alerts`)(post)).toBe("HTTP 301");

  expect(came).toEqual(["/alerts"]);
});
