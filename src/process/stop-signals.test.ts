import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { startChild } from "../testing/processes/child-process.ts";
import { patienceMs } from "../testing/processes/patience.ts";

const module = fileURLToPath(new URL("start-program.ts", import.meta.url));

/** A service that hears a signal, and then does what its last step says. */
async function stopService(lastStep: string) {
  const script = `
    const { startProgram } = await import(${JSON.stringify(module)});
    await startProgram({ name: "service", kind: "service" }, async () => async (stop) => {
      const signal = stop.takeOver();
      const open = setInterval(() => {}, 60_000);
      process.kill(process.pid, "SIGTERM");
      console.log(await signal);
      clearInterval(open);
      ${lastStep}
    });
  `;
  const child = startChild({ name: "service", args: ["--input-type=module", "-e", script], env: {} });
  const ending = await child.ended;
  return { ...ending, output: child.output() };
}

test("a service whose last step waits for ever ends after its grace, and tells so", async () => {
  const lastStep = `stop.endAfter(50, () => console.log("cut")); await new Promise(() => {});`;
  expect(await stopService(lastStep)).toEqual({ exitCode: 0, signal: null, output: "SIGTERM\ncut\n" });
});

test("a service that is done does not wait for its grace", async () => {
  const endsAfterMs = patienceMs(60_000) * 10;
  const lastStep = `stop.endAfter(${endsAfterMs}, () => console.log("cut"));`;
  expect(await stopService(lastStep)).toEqual({ exitCode: 0, signal: null, output: "SIGTERM\n" });
});
