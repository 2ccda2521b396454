import { readdir, readFile } from "node:fs/promises";
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
    }),
  ),
});

const readText = (name: string): Promise<string> =>
  readFile(new URL(`../../${name}`, import.meta.url), "utf8");
const readJson = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(new URL(`../../${name}`, import.meta.url), "utf8"));

test("every version in package.json is exact", async () => {
  const { dependencies, devDependencies } = manifestSchema.parse(await readJson("package.json"));
  const all = Object.entries({ ...dependencies, ...devDependencies });
  expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
});

test("what is built for production imports no development dependency", async () => {
  const { dependencies, devDependencies } = manifestSchema.parse(await readJson("package.json"));
  const root = new URL("../", import.meta.url);
  const isBuilt = (file: string) =>
    /\.tsx?$/.test(file) && !/\.test\.tsx?$|^(?:testing|acceptance)\//.test(file);
  const files = (await readdir(root, { recursive: true })).filter(isBuilt);
  const imports = await Promise.all(
    files.map(async (file) => {
      const text = await readFile(new URL(file, root), "utf8");
      const packages = [...text.matchAll(/from "((?:@[^/"]+\/)?[^./"][^/"]*)/g)].map(([, name = ""]) => name);
      return packages.map((name) => ({ file, name }));
    }),
  );
  const all = imports.flat();
  expect(all.filter(({ name }) => Object.hasOwn(dependencies, name)).length).toBeGreaterThan(100);
  expect(all.filter(({ name }) => Object.hasOwn(devDependencies, name))).toEqual([]);
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

test("every package in the lockfile has its integrity, builds for other platforms included", async () => {
  const { packages } = lockSchema.parse(await readJson("package-lock.json"));
  const builds = Object.keys(packages).filter((path) => /darwin|win32/.test(path));
  expect(builds.length).toBeGreaterThan(10);
  const incomplete = Object.entries(packages).filter(
    ([path, { integrity }]) => path !== "" && !/^sha512-[\w+/]{86}==$/.test(integrity ?? ""),
  );
  expect(incomplete.map(([path]) => path)).toEqual([]);
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
