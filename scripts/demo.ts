import { demoUsage, readDemoFlags } from "./demo/command-line.ts";
import { runDemo } from "./demo/run-demo.ts";

const exitCodeWrongUsage = 2;

const flags = readDemoFlags(process.argv.slice(2));
switch (flags.kind) {
  case "run":
    process.exitCode = await runDemo(flags);
    break;
  case "help":
    console.log(demoUsage);
    break;
  case "wrong":
    console.error(`demo: ${flags.argument} is not known\n${demoUsage}`);
    process.exitCode = exitCodeWrongUsage;
    break;
}
