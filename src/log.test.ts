import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { z } from "zod";

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

test("an event below the level is not written", async () => {
  const line = await logged(`log.debug({ event: "hidden" }); log.warn({ event: "shown" })`);
  expect(line["event"]).toBe("shown");
});

/**
 * The only line that a process wrote to stdout; it needs a process of its own, whose stdout the test runner does not
 * write to.
 */
async function logged(statements: string): Promise<z.infer<typeof lineSchema>> {
  const log = new URL("log.ts", import.meta.url).href;
  const program = `
    import { createLog } from "${log}";
    const log = createLog({ level: "info", service: "worker" });
    ${statements}
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program]);
  return lineSchema.parse(JSON.parse(stdout));
}
