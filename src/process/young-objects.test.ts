import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { youngGrowthFactorOf } from "./young-objects.ts";

const mib = 1_048_576;

test("the space for young objects grows until it is large enough", () => {
  const factorOf = (youngMib: number) => youngGrowthFactorOf(youngMib * mib, 32 * mib);

  expect([1, 16, 32, 64].map(factorOf)).toEqual([2, 2, 1, 1]);
});

test.for([
  { process: "the API", bound: "spareMemory", file: "../process/spare-memory.ts" },
  { process: "a worker", bound: "boundMemory", file: "../worker/bound-memory.ts" },
])(
  "after $process has idled, its space for young objects is as large as before under the next load",
  async ({ bound, file }) => {
    const urlOf = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    const program = `
      import { getHeapSpaceStatistics } from "node:v8";
      import { ${bound} } from ${urlOf(file)};
      import { giveHeapBack } from ${urlOf("spare-memory.ts")};
      ${bound}();
      // As V8 does by itself in an idle process, after some seconds.
      giveHeapBack();
      const kept = [];
      const young = () => getHeapSpaceStatistics().find((one) => one.space_name === "new_space").space_size;
      for (let work = 0; work < 500 && young() < 16 * 2 ** 20; work += 1) {
        kept.push(Array.from({ length: 20_000 }, (_, n) => ({ n })));
        if (kept.length > 5) kept.shift();
        await new Promise(setImmediate);
      }
      console.log(young());
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
    expect(Number(stdout)).toBeGreaterThanOrEqual(16 * mib);
  },
);
