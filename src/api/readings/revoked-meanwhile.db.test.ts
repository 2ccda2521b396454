import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished } from "vitest";
import { type Served, startServer } from "../../http/server.ts";
import { type Api, apiTest as test } from "../../testing/fixtures/api-fixture.ts";
import { bodyInParts, ndjson, readingLine, readingLines } from "../../testing/net/ndjson-gateway.ts";
import { countReadingsAndEntries } from "../../testing/rows/readings.ts";

/** A gateway whose key is revoked while it sends. */
async function joinWithSensor(api: Api) {
  const { id, key, keyId } = await api.join();
  await api.ask("PUT", "/v1/sensors/a", { token: key });
  const status = async () => {
    const headers = { authorization: `Bearer ${key}`, "content-type": ndjson };
    return (await api.app.request("/v1/readings", { method: "POST", headers, body: readingLine(0) })).status;
  };
  return {
    key,
    status,
    revoke: async () => {
      await api.ask("DELETE", `/v1/organizations/${id}/api-keys/${keyId}`, { token: api.adminToken });
      await expect.poll(() => status()).toBe(401);
    },
  };
}

test("lines that come after their key was revoked are not stored", async ({ api, database }) => {
  const { key, revoke } = await joinWithSensor(api);
  const { stream, send } = bodyInParts();
  const headers = { authorization: `Bearer ${key}`, "content-type": ndjson };
  const asked = api.request("/v1/readings", { method: "POST", headers, body: stream, duplex: "half" });
  await send(readingLines(1_000));
  await expect.poll(() => countReadingsAndEntries(database.pool)).toEqual({ readings: 1_000, entries: 1 });

  await revoke();
  await send(readingLines(1_000, 1_000));

  const answer = await asked;
  expect(answer.status).toBe(401);
  expect(await answer.json()).toMatchObject({ code: "unauthorized", accepted: 1_000, rejected: 0 });
  expect(await countReadingsAndEntries(database.pool)).toEqual({ readings: 1_000, entries: 1 });
});

test.for([
  ["by the shortcut", true],
  ["by the whole way", false],
] as const)(
  "a body that came slowly %s is not stored when its key was revoked meanwhile",
  async ([, withShortcut], { api, database }) => {
    const { key, status, revoke } = await joinWithSensor(api);
    const server = await serve(api, withShortcut);
    const body = readingLine(1);
    const head = [
      "POST /v1/readings HTTP/1.1",
      "Host: x",
      `Authorization: Bearer ${key}`,
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
    ].join("\r\n");
    // The shortcut takes keys that were found lately.
    await expect
      .poll(async () => {
        await status();
        await server.send(`${head}\r\n\r\n${body.slice(0, 9)}`);
        return server.took.at(-1);
      })
      .toBe(withShortcut);
    const before = await countReadingsAndEntries(database.pool);

    await revoke();

    expect(await server.finish(body.slice(9))).toMatch(/^HTTP\/1.1 401 [^]*"code":"unauthorized"/);
    expect(await countReadingsAndEntries(database.pool)).toEqual(before);
  },
);

/** Serves the application, and tells of each request whether the shortcut took it. */
async function serve({ app }: Api, withShortcut: boolean) {
  const took: boolean[] = [];
  const served: Served = {
    fetch: app.fetch,
    shortcut: (incoming, outgoing) => {
      const answered = withShortcut ? app.shortcut?.(incoming, outgoing) : undefined;
      took.push(answered !== undefined);
      return answered;
    },
  };
  const server = await startServer(served, { host: "127.0.0.1", port: 0 });
  onTestFinished(async () => void (await server.stop(0)));
  let socket = connect({ port: server.port, host: "127.0.0.1" });

  /** Sends the beginning of a request on a connection of its own, and waits until the server has it. */
  async function send(beginning: string): Promise<void> {
    const seen = took.length;
    socket.destroy();
    socket = connect({ port: server.port, host: "127.0.0.1" });
    await once(socket, "connect");
    socket.write(beginning);
    await expect.poll(() => took.length).toBe(seen + 1);
  }
  async function finish(rest: string): Promise<string> {
    socket.end(rest);
    return text(socket);
  }
  return { took, send, finish };
}
