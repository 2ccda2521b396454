import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdtemp, rename, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Compiles the programs into a new folder of the project, beside which they find their migrations, and returns its path.
 * The caller removes it. Throws when the sources have an error, which the compiler has then printed; no folder stays.
 */
export async function compilePrograms(prefix: string): Promise<string> {
  const folder = await mkdtemp(join(root, prefix));
  // As any other folder of the project: the service may run as another user.
  await chmod(folder, 0o755);
  const compiler = spawn(
    process.execPath,
    [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json", "--outDir", folder],
    { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
  );
  const [exitCode] = await once(compiler, "close");
  if (exitCode === 0) {
    for (const assets of ["api/openapi/assets", "console/assets"])
      await cp(join(root, "src", assets), join(folder, assets), { recursive: true });
    return folder;
  }
  await rm(folder, { recursive: true, force: true });
  throw new Error("the sources do not compile");
}

/**
 * Puts a compiled folder in the place of `dist/`. Nothing is ever missing there for longer than two renames take, so a
 * process that is started meanwhile, or reads a file late, finds a whole program.
 */
export async function putInPlace(folder: string, { dist = join(root, "dist") } = {}): Promise<void> {
  const before = `${folder}-before`;
  if (existsSync(dist)) await rename(dist, before);
  await rename(folder, dist);
  await rm(before, { recursive: true, force: true });
}

/** Copies a compiled folder to `dist/` where there is none yet: no process can be running there. */
export async function copyWhereMissing(folder: string, { dist = join(root, "dist") } = {}): Promise<void> {
  if (existsSync(dist)) return;
  const copy = `${folder}-copy`;
  await cp(folder, copy, { recursive: true });
  await rename(copy, dist);
}
