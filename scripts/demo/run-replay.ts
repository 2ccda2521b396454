import { isOk, renderBill, type DemoOutcome, verdictLine } from "./bill-table.ts";
import { billReplay, type Servers } from "./bill-replay.ts";
import { describeFailure } from "../process/describe-failure.ts";
import { furnishSimulator, sendEachEventTwice } from "./simulator-control.ts";
import { createProgress } from "./progress.ts";
import { onStopRequest } from "../process/stop-request.ts";
import { renderStatements } from "./statements.ts";
import { z } from "zod";
import { simulatorAt } from "./stripe-side.ts";

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
    const { bill, statements = [] } = await billReplay({ servers, progress, signal, report });
    progress.say(`\n${renderBill(bill)}\nbilled: event summaries of the Stripe simulator\n`);
    progress.say(`${renderStatements(statements)}\n`);
  } catch (error) {
    console.error(`demo: ${describeFailure(signal.aborted ? signal.reason : error)}`);
  } finally {
    progress.end();
  }
  console.log(verdictLine(outcome));
  return isOk(outcome) ? 0 : exitCodeFailed;
}

const environmentSchema = z.object({
  API_URL: z.url(),
  ADMIN_TOKEN: z.string().min(1),
  DATABASE_URL: z.string().min(1),
  /** Only a simulator: the replay makes meters and customers there, which it must not do in a real account. */
  STRIPE_API_BASE: z.url(),
});

export type ServersRead = { kind: "known"; servers: Servers } | { kind: "unknown"; faults: string[] };

/** Reads the addresses of running servers that another program started, with a simulator and a worker among them. */
export function readRunningServers(env: Record<string, string | undefined>): ServersRead {
  const read = environmentSchema.safeParse(env);
  if (!read.success) {
    return {
      kind: "unknown",
      faults: read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`),
    };
  }
  const { API_URL: apiUrl, ADMIN_TOKEN: adminToken, DATABASE_URL: databaseUrl, STRIPE_API_BASE } = read.data;
  const stripe = simulatorAt(withoutSlash(STRIPE_API_BASE));
  const startWorker = async () => {};
  return {
    kind: "known",
    servers: { apiUrl: withoutSlash(apiUrl), adminToken, databaseUrl, stripe, startWorker },
  };
}

function withoutSlash(url: string): string {
  return url.replace(/\/$/, "");
}
