import { z } from "zod";

export type HttpCall = { token: string; json?: unknown };
export type HttpAnswer = { status: number; body: Record<string, unknown> };

const anyBody = z.record(z.string(), z.unknown());

/** Asks a process over HTTP: JSON in, JSON out. Rejects when no answer comes. */
export async function httpCall(method: string, url: string, { token, json }: HttpCall): Promise<HttpAnswer> {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(json !== undefined && { body: JSON.stringify(json) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : anyBody.parse(JSON.parse(text)) };
}
