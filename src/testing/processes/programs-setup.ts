import { rm } from "node:fs/promises";
import type { TestProject } from "vitest/node";
import { compilePrograms, putInPlace } from "../../../scripts/build/compile.ts";
import { startOrphanGuard } from "./orphan-guard.ts";

const build = () =>
  compilePrograms(".tested-", { more: { "crash-worker": "src/acceptance/crash/crash-worker.ts" } });

/**
 * Builds the programs for a run, as `npm run build` does, into a folder that goes with the run: from the sources, each of
 * some hundred starts would take three times as long. A watching run builds anew what has changed.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await build();
  const guard = startOrphanGuard({ foldersToRemove: [folder] });
  project.provide("programs", folder);
  project.onTestsRerun(async () => putInPlace(await build(), { dist: folder }));
  return async () => {
    guard.dismiss();
    await rm(folder, { recursive: true, force: true });
  };
}
