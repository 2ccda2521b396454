import { join } from "node:path";
import { inject } from "vitest";
import { type Child, startChild } from "./child-process.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where the run's own build of the programs is. */
    programs: string;
  }
}

export type BuiltPrograms = {
  folder: string;
  /** For the environment of each: some hundred are started, and Node compiles them once. */
  cache: { NODE_COMPILE_CACHE: string };
};

const projectRoot = new URL("../../..", import.meta.url);

/** The run's own build of the programs, which goes with it. */
export function builtPrograms(): BuiltPrograms {
  const folder = inject("programs");
  return { folder, cache: { NODE_COMPILE_CACHE: join(folder, "compiled") } };
}

/**
 * Starts a program of the run's build, such as `api`, or `crash-worker`, which kills itself, as a process of its own with
 * this environment and no other variable but Node's cache. The caller ends it.
 */
export function startBuiltProgram(
  name: string,
  environment: Record<string, string>,
  args: readonly string[] = [],
): Child {
  const { folder, cache } = builtPrograms();
  return startChild({
    name,
    args: [join(folder, `${name}.js`), ...args],
    cwd: projectRoot,
    env: { ...cache, ...environment },
  });
}
