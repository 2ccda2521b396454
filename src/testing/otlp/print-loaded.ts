import { registerHooks } from "node:module";

// Imported ahead of a process's own program: prints each package of OpenTelemetry that is loaded, and the package, or
// the file of ours, that asks for it.
const packageName = /node_modules\/((?:@[^/]+\/)?[^/]+)\//;

registerHooks({
  resolve(name, context, next) {
    const found = next(name, context);
    const loaded = packageName.exec(found.url)?.[1];
    const parent = context.parentURL ?? "";
    const by = packageName.exec(parent)?.[1] ?? parent.replace(/.*\/src\//, "");
    if (loaded?.startsWith("@opentelemetry/") === true && !by.startsWith("@opentelemetry/")) {
      process.stderr.write(`LOADED ${loaded} BY ${by}\n`);
    }
    return found;
  },
});
