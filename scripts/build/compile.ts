import { chmod, cp, mkdtemp, rename, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("../../", import.meta.url));
const programs = ["api", "worker", "migrate", "simulator", "cli"];
/** The files that pages load lie beside the code that serves them, in `src/` as in a build. */
const assets = ["api/openapi/assets", "console/assets"];
const codeFolder = "code";

/**
 * Bundles the programs with their packages into a new folder of the project, beside which they find their migrations, and
 * returns its path. Node loads a few dozen files in place of 1,300, which takes a third of the time. `more` are
 * further programs, each a name and its source. The caller removes the folder. Types are not looked at. Throws when a source
 * is no code or imports what is not there; no folder stays.
 */
export async function compilePrograms(
  prefix: string,
  { more = {} }: { more?: Record<string, string> } = {},
): Promise<string> {
  const folder = await mkdtemp(join(root, prefix));
  // As any other folder of the project: the service may run as another user.
  await chmod(folder, 0o755);
  try {
    await bundle(folder, more);
    for (const each of assets)
      await cp(join(root, "src", each), join(folder, codeFolder, "assets"), { recursive: true });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return folder;
}

async function bundle(folder: string, more: Record<string, string>): Promise<void> {
  const build = await rolldown({
    cwd: root,
    input: { ...Object.fromEntries(programs.map((name) => [name, `src/${name}.ts`])), ...more },
    platform: "node",
    tsconfig: false,
    transform: { jsx: { runtime: "automatic", importSource: "hono/jsx" } },
    // What pg can do without.
    external: ["pg-native"],
    onLog: (_level, log, report) => report("error", log),
  });
  try {
    await build.write({
      dir: folder,
      format: "esm",
      // By its content, so that a process of an older build never loads another one's.
      chunkFileNames: `${codeFolder}/[name]-[hash].js`,
      sourcemap: true,
      // Some errors are called by their class in the log, also where two packages have one of that name.
      keepNames: true,
    });
  } finally {
    await build.close();
  }
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
