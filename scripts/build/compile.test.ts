import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { compilePrograms, copyWhereMissing, putInPlace } from "./compile.ts";

test("a new build takes the place of the old one, and leaves nothing beside it", async () => {
  const { root, dist, build } = await layFolders();
  await writeProgram(dist, "old");

  await putInPlace(build, { dist });

  expect(await readFile(join(dist, "api.js"), "utf8")).toBe("new");
  expect([build, `${build}-before`].filter((path) => existsSync(path))).toEqual([]);
  expect(existsSync(root)).toBe(true);
});

test("a first build needs no old one", async () => {
  const { dist, build } = await layFolders();
  await putInPlace(build, { dist });
  expect(await readFile(join(dist, "api.js"), "utf8")).toBe("new");
});

test("the demo's build becomes dist/ only where there is none", async () => {
  const { dist, build } = await layFolders();
  await copyWhereMissing(build, { dist });
  expect(await readFile(join(dist, "api.js"), "utf8")).toBe("new");

  await writeProgram(dist, "of a running service");
  await copyWhereMissing(build, { dist });
  expect(await readFile(join(dist, "api.js"), "utf8")).toBe("of a running service");
  expect(existsSync(build)).toBe(true);
});

test.for(["./nowhere.ts", "no-such-package"])(
  "a source that imports %s, which is not there, fails the build and leaves no folder",
  async (name) => {
    const { root } = await layFolders();
    const broken = join(root, "broken.ts");
    await writeFile(broken, `import "${name}";\n`);
    const prefix = ".build-of-the-broken-";

    await expect(compilePrograms(prefix, { more: { broken } })).rejects.toThrow(name);

    const project = await readdir(new URL("../../", import.meta.url));
    expect(project.filter((folder) => folder.startsWith(prefix))).toEqual([]);
  },
);

async function layFolders(): Promise<{ root: string; dist: string; build: string }> {
  const root = await mkdtemp(join(tmpdir(), "meter-outbox-build-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const build = join(root, ".build-1");
  await writeProgram(build, "new");
  return { root, dist: join(root, "dist"), build };
}

async function writeProgram(folder: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "api.js"), text);
}
