import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Fence } from "./markdown.ts";
import type { Desk } from "./reader.ts";

/** Runs a TypeScript block as a program of its own, below the lines that its reader has already written. */
export async function runTypeScript(
  { text, line }: Fence,
  { before, after, desk }: { before: string; after: string; desk: Desk },
): Promise<void> {
  const path = join(desk.folder, `line-${line}.ts`);
  await writeFile(path, `${before}\n${text}\n${after}\n`);
  await promisify(execFile)(process.execPath, [path], { cwd: desk.folder, env: desk.environment });
}
