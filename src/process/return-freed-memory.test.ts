import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const module = fileURLToPath(new URL("return-freed-memory.ts", import.meta.url));
const script = `
  const { returnFreedMemory } = await import(${JSON.stringify(module)});
  returnFreedMemory();
  console.log(JSON.stringify([process.pid, process.env.MALLOC_MMAP_THRESHOLD_ ?? null, process.argv.slice(1)]));
`;

async function begin(env: Record<string, string>, stdio: "pipe" | "ipc" = "pipe") {
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, "one", "two"], {
    env,
    stdio: ["ignore", "pipe", "pipe", ...(stdio === "ipc" ? (["ipc"] as const) : [])],
  });
  if (child.stdout === null || child.stderr === null) throw new Error("the child has no pipes");
  const ended = once(child, "exit");
  const [told, said] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  const [pid, setting, args] = JSON.parse(told) as [number, string | null, string[]];
  return { isSame: pid === child.pid, setting, args, said };
}

test.skipIf(process.platform !== "linux")(
  "a process begins again with the allocator's setting, under its own id and with its arguments",
  async () => {
    const expected = { isSame: true, setting: "61440", args: ["one", "two"], said: "" };
    expect(await begin({})).toEqual(expected);
    expect(await begin({ MALLOC_MMAP_THRESHOLD_: "1" })).toEqual({ ...expected, setting: "1" });
    expect(await begin({}, "ipc")).toMatchObject({ isSame: true, setting: null });
  },
);
