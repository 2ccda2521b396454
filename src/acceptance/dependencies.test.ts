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
  packages: z.record(
    z.string(),
    z.looseObject({
      version: z.string().optional(),
      resolved: z.string().optional(),
      integrity: z.string().optional(),
      hasInstallScript: z.boolean().optional(),
      dev: z.boolean().optional(),
      optional: z.boolean().optional(),
      os: z.array(z.string()).optional(),
      cpu: z.array(z.string()).optional(),
      libc: z.array(z.string()).optional(),
    }),
  ),
});

/** Tools with a build for each platform; the registry that made the lockfile holds only some of those builds. */
const toolsByPlatform = [
  /^@msgpackr-extract\/msgpackr-extract-[\w-]+@3\.0\.7$/,
  /^@oxc-parser\/binding-[\w-]+@0\.156\.0$/,
  /^@oxfmt\/binding-[\w-]+@0\.78\.0$/,
  /^@oxlint-tsgolint\/[\w-]+@7\.0\.2007$/,
  /^@oxlint\/binding-[\w-]+@1\.94\.0$/,
];
const incompleteMax = 57;

const readText = (name: string): Promise<string> =>
  readFile(new URL(`../../${name}`, import.meta.url), "utf8");
const readJson = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(new URL(`../../${name}`, import.meta.url), "utf8"));

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

test("every package in the lockfile has its integrity, save builds of our tools for other platforms", async () => {
  const { packages } = lockSchema.parse(await readJson("package-lock.json"));
  const incomplete = Object.entries(packages).filter(
    ([path, { integrity }]) => path !== "" && !/^sha512-[\w+/]{86}==$/.test(integrity ?? ""),
  );
  const isOfTools = (name: string) => toolsByPlatform.some((tool) => tool.test(name));
  const faults = incomplete.filter(([path, { version, dev, optional, os, cpu, libc }]) => {
    const isOurPlatform =
      os?.includes("linux") === true && cpu?.includes("x64") === true && libc?.includes("musl") !== true;
    const name = `${path.replace(/^.*node_modules\//, "")}@${version}`;
    return !(dev === true && optional === true && isOfTools(name)) || isOurPlatform;
  });
  expect(faults.map(([path]) => path)).toEqual([]);
  // It may become fewer.
  expect(incomplete.length).toBeLessThanOrEqual(incompleteMax);
});

test("the lockfile names no host", async () => {
  const { packages } = lockSchema.parse(await readJson("package-lock.json"));
  const hosts = Object.values(packages).flatMap(({ resolved }) => resolved ?? []);
  expect(hosts.filter((host) => !host.startsWith("https://registry.npmjs.org/"))).toEqual([]);
});

test("actions are named by their commit and images by their digest, with the version beside it", async () => {
  const workflow = await readText(".github/workflows/ci.yml");
  const uses = [...workflow.matchAll(/uses: (.*)$/gm)].map(([, action = ""]) => action);
  expect(uses.length).toBeGreaterThan(0);
  expect(uses.filter((action) => !/^[\w/-]+@[\da-f]{40} # v\d+\.\d+\.\d+$/.test(action))).toEqual([]);

  const pinned = /^[\w/]+:\d+\.[\w.-]+@sha256:[\da-f]{64}$/;
  const compose = await readText("compose.yaml");
  const [, base = ""] = /^ARG NODE_IMAGE=(.*)$/m.exec(await readText("Dockerfile")) ?? [];
  const images = [...compose.matchAll(/\$\{(?:NODE|POSTGRES)_IMAGE:-([^}]*)\}/g)].map(
    ([, image = ""]) => image,
  );
  expect(images).toHaveLength(3);
  expect([base, ...images].filter((image) => !pinned.test(image))).toEqual([]);
  expect(images).toContain(base);
  expect(new Set(images).size).toBe(2);
});
