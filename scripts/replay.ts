import { readRunningServers, runReplay } from "./demo/run-replay.ts";

const exitCodeConfig = 78;

const servers = readRunningServers(process.env);
switch (servers.kind) {
  case "known":
    process.exitCode = await runReplay(servers.servers);
    break;
  case "unknown":
    for (const fault of servers.faults) console.error(`replay: ${fault}`);
    process.exitCode = exitCodeConfig;
    break;
}
