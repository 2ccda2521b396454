import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { z } from "zod";

const versions = z.record(z.string(), z.string());
const manifestSchema = z.looseObject({
  dependencies: versions,
  devDependencies: versions,
  allowScripts: z.record(z.string(), z.boolean()),
});
const lockSchema = z.looseObject({
  packages: z.record(z.string(), z.looseObject({ hasInstallScript: z.boolean().optional() })),
});

const readJson = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(new URL(`../${name}`, import.meta.url), "utf8"));

test("every version in package.json is exact", async () => {
  const { dependencies, devDependencies } = manifestSchema.parse(await readJson("package.json"));
  const all = Object.entries({ ...dependencies, ...devDependencies });
  expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
});

test("every package with an install script is named in allowScripts, which says whether it runs", async () => {
  const { allowScripts } = manifestSchema.parse(await readJson("package.json"));
  const { packages } = lockSchema.parse(await readJson("package-lock.json"));
  const withScript = Object.entries(packages)
    .filter(([path, { hasInstallScript }]) => path !== "" && hasInstallScript === true)
    .map(([path]) => path.replace(/^.*node_modules\//, ""));
  expect(withScript.length).toBeGreaterThan(0);
  expect(withScript.filter((name) => allowScripts[name] === undefined)).toEqual([]);
});
