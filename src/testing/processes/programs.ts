import { join } from "node:path";
import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** Where the run's own build of the programs is. */
    programs: string;
  }
}

export type BuiltPrograms = {
  folder: string;
  /** A program's file: `api`, `worker` and so on, and `crash-worker`, which kills itself. */
  fileOf: (name: string) => string;
  /** For the environment of each: some hundred are started, and Node compiles them once. */
  cache: { NODE_COMPILE_CACHE: string };
};

/** The run's own build of the programs, which goes with it. */
export function builtPrograms(): BuiltPrograms {
  const folder = inject("programs");
  return {
    folder,
    fileOf: (name) => join(folder, `${name}.js`),
    cache: { NODE_COMPILE_CACHE: join(folder, "compiled") },
  };
}
