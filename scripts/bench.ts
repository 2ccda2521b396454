import { benchUsage, readBenchFlags } from "./bench/flags.ts";
import { runBenches } from "./bench/run-benches.ts";

const exitCodeWrongUsage = 2;

const flags = readBenchFlags(process.argv.slice(2));
switch (flags.kind) {
  case "run":
    process.exitCode = await runBenches(flags);
    break;
  case "help":
    console.log(benchUsage);
    break;
  case "wrong":
    console.error(`bench: ${flags.fault}\n${benchUsage}`);
    process.exitCode = exitCodeWrongUsage;
    break;
}
