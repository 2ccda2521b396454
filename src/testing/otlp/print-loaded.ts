import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

// Imported ahead of a process's own program: names each file that is loaded and has the part of OpenTelemetry which
// collects spans.
const spanProcessor = "class extends BatchSpanProcessorBase";

registerHooks({
  load(url, context, next) {
    if (url.startsWith("file:")) {
      const has = readFileSync(fileURLToPath(url), "utf8").includes(spanProcessor);
      if (has) process.stderr.write(`LOADED ${url.replace(/.*\//, "")}\n`);
    }
    return next(url, context);
  },
});
