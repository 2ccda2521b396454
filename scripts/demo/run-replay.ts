import { renderBill } from "./bill-table.ts";
import { billReplay, type Servers } from "./bill-replay.ts";
import { describeFailure } from "./describe-failure.ts";
import { furnishSimulator } from "./furnish-simulator.ts";
import { createProgress } from "./progress.ts";
import { sendEachEventTwice } from "./simulator-webhooks.ts";
import { onStopRequest } from "./stop-signal.ts";
import { type DemoOutcome, isOk, verdictLine } from "./verdict-line.ts";

const exitCodeFailed = 1;

/** Runs the demo's gateways against servers that run already, prints the bill, and returns the exit code. */
export async function runReplay(servers: Servers): Promise<number> {
  const ending = new AbortController();
  onStopRequest((request) => ending.abort(request));
  const { signal } = ending;
  const progress = createProgress(process.stdout, () => performance.now());
  let outcome: DemoOutcome = { organizations: 0, readings: 0 };
  const report = (latest: DemoOutcome) => {
    outcome = latest;
  };
  try {
    await furnishSimulator(servers.stripe, servers.databaseUrl);
    await sendEachEventTwice(servers.stripe);
    const bill = await billReplay({ servers, progress, signal, report });
    progress.say(`\n${renderBill(bill)}\nbilled: event summaries of the Stripe simulator\n`);
  } catch (error) {
    console.error(`demo: ${describeFailure(signal.aborted ? signal.reason : error)}`);
  } finally {
    progress.end();
  }
  console.log(verdictLine(outcome));
  return isOk(outcome) ? 0 : exitCodeFailed;
}
