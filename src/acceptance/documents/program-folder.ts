import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { builtPrograms } from "../../testing/processes/programs.ts";

const projectRoot = fileURLToPath(new URL("../../../", import.meta.url));

export type ProgramFolder = {
  path: string;
  /** Programs to be found last: the documents need them, and a machine may lack them. */
  standIns: string;
  remove: () => Promise<void>;
};

/** A folder that looks like a clone after `npm run build`, for commands such as `node dist/cli.js`. */
export async function makeProgramFolder(): Promise<ProgramFolder> {
  const path = await mkdtemp(join(tmpdir(), "meter-outbox-documents-"));
  const standIns = join(path, "stand-ins");
  await mkdir(standIns);
  await symlink(builtPrograms().folder, join(path, "dist"));
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
    remove: () => rm(path, { recursive: true, force: true }),
  };
}
