// Lets Node run the console's .tsx from src/, as it runs .ts: `node --import ./scripts/build/load-tsx.mjs src/api.ts`.
// Node strips types by itself and knows no JSX; what is built needs none of this. What was once turned is kept, since
// loading the compiler takes longer than all the pages.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

const cache = new URL("../../node_modules/.cache/meter-outbox-tsx/", import.meta.url);
const require = createRequire(import.meta.url);
const { version } = require("rolldown/package.json");

registerHooks({
  load(url, context, nextLoad) {
    if (!url.endsWith(".tsx")) return nextLoad(url, context);
    return { format: "module", source: turn(fileURLToPath(url)), shortCircuit: true };
  },
});

function turn(path) {
  const text = readFileSync(path, "utf8");
  const name = createHash("sha256").update(`${version}\n${path}\n${text}`).digest("hex");
  const kept = new URL(`${name}.mjs`, cache);
  try {
    return readFileSync(kept, "utf8");
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  const { transformSync } = require("rolldown/utils");
  const { code, errors } = transformSync(path, text, {
    jsx: { runtime: "automatic", importSource: "hono/jsx" },
    sourcemap: false,
    tsconfig: false,
  });
  if (errors.length > 0) throw new SyntaxError(`${path}: ${errors[0].message}`);
  mkdirSync(cache, { recursive: true });
  // Several processes start at once: each sees the whole text or none.
  const half = new URL(`${name}.${process.pid}`, cache);
  writeFileSync(half, code);
  renameSync(half, kept);
  return code;
}
