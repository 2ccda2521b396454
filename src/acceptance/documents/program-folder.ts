import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const projectRoot = fileURLToPath(new URL("../../../", import.meta.url));
/** The console's pages are .tsx, which Node does not run by itself. */
const loadTsx = JSON.stringify(new URL("../../../scripts/build/load-tsx.mjs", import.meta.url).href);
const programs = ["api", "cli", "migrate", "simulator", "worker"];

export type ProgramFolder = {
  path: string;
  /** Programs to be found last: the documents need them, and a machine may lack them. */
  standIns: string;
  /** For NODE_COMPILE_CACHE: the same programs are started dozens of times. */
  compiled: string;
  remove: () => Promise<void>;
};

/**
 * A folder that looks like a clone after `npm run build`, for commands such as `node dist/cli.js`. Its `dist/` leads to
 * the present source, which Node runs directly; the demo shows that the compiler's output works.
 */
export async function makeProgramFolder(): Promise<ProgramFolder> {
  const path = await mkdtemp(join(tmpdir(), "meter-outbox-documents-"));
  const standIns = join(path, "stand-ins");
  for (const folder of [join(path, "dist"), standIns]) await mkdir(folder);
  for (const program of programs) {
    const source = JSON.stringify(new URL(`../../${program}.ts`, import.meta.url).href);
    await writeFile(join(path, "dist", `${program}.js`), `import ${loadTsx};\nimport ${source};\n`);
  }
  const standInSources = new URL("stand-ins/", import.meta.url);
  const sources = (await readdir(standInSources)).filter((name) => !name.endsWith(".test.ts"));
  for (const source of sources) {
    const script = `#!/bin/sh\nexec node '${fileURLToPath(new URL(source, standInSources))}' "$@"\n`;
    await writeFile(join(standIns, source.replace(/\.ts$/, "")), script, { mode: 0o755 });
  }
  await writeFile(join(path, "package.json"), '{ "type": "module" }\n');
  for (const name of ["docs", "node_modules"]) await symlink(join(projectRoot, name), join(path, name));
  return {
    path,
    standIns,
    compiled: join(path, "compiled"),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}
