import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { listen } from "../../../testing/net/listen.ts";

const standIn = fileURLToPath(new URL("curl.ts", import.meta.url));
const run = promisify(execFile);

test.each([
  [["-s", "-X", "PUT", "-H", "accept: text/csv"], { method: "PUT", url: "/a?b=c", body: "" }],
  [["-d", "one=1", "-d", "@two.txt"], { method: "POST", url: "/a?b=c", body: "one=1&two=2" }],
  [["--data-binary", "@two.txt"], { method: "POST", url: "/a?b=c", body: "two=\n2\n" }],
  [["-s", "-G", "-d", "one=1"], { method: "GET", url: "/a?b=c&one=1", body: "" }],
])("curl's stand-in sends what curl sends for %j", async (options, expected) => {
  const { folder, asked } = await openServer();

  const { stdout, stderr } = await run(
    process.execPath,
    [standIn, ...options, "http://127.0.0.1:3000/a?b=c"],
    {
      cwd: folder,
      env: { HOME: folder },
    },
  );

  expect(asked).toMatchObject([expected]);
  expect({ stdout, stderr }).toEqual({ stdout: "answer\n", stderr: "\n[answered 201]\n" });
});

test("curl's stand-in refuses an option that it does not know", async () => {
  const asked = run(process.execPath, [standIn, "--fail", "http://127.0.0.1:3000"]);
  await expect(asked).rejects.toThrow("Unknown option '--fail'");
});

type Asked = { method: string; url: string; body: string };

/** A server at the address that the folder's settings give for 127.0.0.1:3000. */
async function openServer(): Promise<{ folder: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "" } = request;
    asked.push({ method, url, body: await text(request) });
    response.writeHead(201).end("answer");
  }
  const server = createServer((request, response) => void answer(request, response));
  const port = await listen(server);
  onTestFinished(() => void server.close());
  const folder = await mkdtemp(join(tmpdir(), "meter-outbox-curl-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, ".curlrc"), `connect-to = "127.0.0.1:3000:127.0.0.1:${port}"\n`);
  await writeFile(join(folder, "two.txt"), "two=\n2\n");
  return { folder, asked };
}
