import { spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";

const timeoutMs = 30_000;
const lineSchema = z.record(z.string(), z.unknown());

test("a line holds level, service, time and the event's fields", async () => {
  const line = await logged(`log.info({ event: "entries_sealed", events: 2 })`);
  expect(line).toEqual({
    level: "info",
    service: "worker",
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown,
    event: "entries_sealed",
    events: 2,
  });
});

test("an error is told by type, message and code, with its causes", async () => {
  const line = await logged(`
    const cause = Object.assign(new RangeError("refused"), { code: "ECONNREFUSED" });
    log.error({ event: "api_failed", error: new Error("no database", { cause }) });
  `);
  expect(line["error"]).toEqual({
    type: "Error",
    message: "no database",
    cause: { type: "RangeError", message: "refused", code: "ECONNREFUSED" },
  });
});

test("an error's other properties, such as headers and connection strings, never reach the line", async () => {
  const line = await logged(`
    const secrets = {
      headers: { authorization: "hunter2" },
      connectionString: "postgres://service:hunter2@localhost",
      raw: { key: "hunter2" },
      code: { toString: () => "hunter2" },
    };
    const cause = Object.assign(new Error("inner"), secrets);
    log.error({ event: "api_failed", error: Object.assign(new Error("outer", { cause }), secrets) });
  `);
  expect(line["error"]).toMatchObject({ message: "outer", cause: { message: "inner" } });
  expect(JSON.stringify(line)).not.toContain("hunter2");
});

test("what is thrown without being an error is told too", async () => {
  const line = await logged(`log.error({ event: "api_failed", error: "gone" })`);
  expect(line["error"]).toEqual({ type: "string", message: "gone" });
});

test("a process whose log cannot be written, as on a full disk, goes on and ends", async () => {
  const full = await open("/dev/full", "w");
  onTestFinished(() => full.close());
  const child = run(
    `
    const log = createLog({ level: "info", service: "worker", onLost: () => lost.resolve() });
    const lost = Promise.withResolvers();
    const logging = setInterval(() => log.info({ event: "entries_sealed", text }), 1);
    await lost.promise;
    clearInterval(logging);
    process.stderr.write("went on");
    process.exit(3);
    `,
    full.fd,
  );
  const [said, [code]] = await Promise.all([read(child.stderr), once(child, "exit")]);
  expect({ said, code }).toEqual({ said: "went on", code: 3 });
});

test("lines that a reader was too slow for are counted, and told of once it reads again", async () => {
  const child = run(
    `
    let lost = 0;
    const log = createLog({ level: "info", service: "worker", onLost: (lines) => (lost += lines) });
    for (let line = 0; line < 100; line += 1) log.info({ event: "entries_sealed", line, text });
    process.stderr.write(String(lost));
    `,
    "pipe",
  );
  const [lost, written] = await Promise.all([read(child.stderr), read(child.stdout)]);
  const lines = written
    .trimEnd()
    .split("\n")
    .map((line) => lineSchema.parse(JSON.parse(line)));
  const count = Number(lost);

  expect(count).toBeGreaterThan(0);
  expect(lines.filter(({ event }) => event === "entries_sealed")).toHaveLength(100 - count);
  expect(lines.at(-1)).toMatchObject({ event: "log_lines_lost", level: "warn", count });
});

test("a process ends although its stdout is not read", async () => {
  const startedAtMs = performance.now();
  const child = run(
    `
    const log = createLog({ level: "info", service: "worker" });
    for (let line = 0; line < 20; line += 1) log.info({ event: "entries_sealed", text });
    setTimeout(() => process.exit(3), 2_000);
    `,
    "pipe",
  );
  const endedAfterMs = await once(child, "exit").then(() => performance.now() - startedAtMs);
  expect(endedAfterMs).toBeLessThan(timeoutMs);
});

test("an error of a cluster's node is told with the node, and without what else it was about", async () => {
  const line = await logged(`
    const where = "SQL statement with -18.4\\nwhile executing command on node-2:5432";
    log.error({ event: "job_failed", error: Object.assign(new Error("no space left"), { code: "53100", where }) });
  `);
  expect(line["error"]).toEqual({
    type: "Error",
    message: "no space left",
    code: "53100",
    node: "node-2:5432",
  });
});

test("an event below the level is not written", async () => {
  const line = await logged(`log.debug({ event: "hidden" }); log.warn({ event: "shown" })`);
  expect(line["event"]).toBe("shown");
});

/**
 * The only line that a process wrote to stdout; it needs a process of its own, whose stdout the test runner does not
 * write to.
 */
async function logged(statements: string): Promise<z.infer<typeof lineSchema>> {
  const child = run(`const log = createLog({ level: "info", service: "worker" }); ${statements}`, "pipe");
  return lineSchema.parse(JSON.parse(await read(child.stdout)));
}

/** A process that may log; `text` is 100 kB. It is killed when it does not end. */
function run(statements: string, stdout: number | "pipe") {
  const log = new URL("log.ts", import.meta.url).href;
  const program = `
    import { createLog } from "${log}";
    const text = "x".repeat(100_000);
    ${statements}
  `;
  return spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", stdout, "pipe"],
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
}

async function read(stream: Readable | null): Promise<string> {
  return stream === null ? "" : text(stream);
}
