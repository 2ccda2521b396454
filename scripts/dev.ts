import { devUsage, readDevFlags } from "./demo/command-line.ts";
import { describeFailure } from "./process/describe-failure.ts";
import { startDevServers } from "./demo/dev-servers.ts";
import { startOrphanGuard } from "../src/testing/processes/orphan-guard.ts";
import { renderPlaces } from "./demo/stack.ts";
import { StopRequest, onStopRequest, untilAborted } from "./process/stop-request.ts";
import { createTeardown } from "./process/teardown.ts";

const exitCodeWrongUsage = 2;

const flags = readDevFlags(process.argv.slice(2));
switch (flags.kind) {
  case "run":
    await runDev();
    break;
  case "help":
    console.log(devUsage);
    break;
  case "wrong":
    console.error(`dev: ${flags.argument} is not known\n${devUsage}`);
    process.exitCode = exitCodeWrongUsage;
    break;
}

async function runDev(): Promise<void> {
  const teardown = createTeardown();
  const ending = new AbortController();
  const { signal } = ending;
  onStopRequest((request) => ending.abort(request));
  const guard = startOrphanGuard();
  teardown.add(async () => guard.dismiss());
  try {
    const stack = await startDevServers({ teardown, guard, signal, fail: (error) => ending.abort(error) });
    console.log(
      `\n${renderPlaces(stack)}\nCtrl-C stops everything and keeps the data in .embedded-postgres/.\n`,
    );
    await untilAborted(signal);
  } catch (error) {
    const reason: unknown = signal.aborted ? signal.reason : error;
    console.log(reason instanceof StopRequest ? reason.message : `dev: ${describeFailure(reason)}`);
    process.exitCode = reason instanceof StopRequest ? 0 : 1;
  } finally {
    ending.abort();
    await teardown.run();
  }
}
