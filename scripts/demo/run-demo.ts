import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compilePrograms, copyWhereMissing } from "../build/compile.ts";
import { billReplay } from "./bill-replay.ts";
import { renderConsole, renderPlaces, startStack } from "./stack.ts";
import { startOrphanGuard } from "../../src/testing/processes/orphan-guard.ts";
import { createProgress } from "./progress.ts";
import { StopRequest, onStopRequest, untilAborted } from "../process/stop-request.ts";
import { describeFailure } from "../process/describe-failure.ts";
import { createTeardown, type Teardown } from "../process/teardown.ts";
import { renderStatements } from "./statements.ts";
import { type DemoOutcome, isOk, renderBill, verdictLine } from "./bill-table.ts";

const exitCodeFailed = 1;
/** Some twenty batches of each gateway: a year goes by in less than a minute. */
const watchedPaceMs = 2_000;
const exitCodeOfSignal = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/**
 * Runs the whole demo and returns its exit code. In any case, every process that it started has ended and its temporary
 * folders are gone when it returns.
 */
export async function runDemo({ once, faults }: { once: boolean; faults: boolean }): Promise<number> {
  const teardown = createTeardown();
  const ending = new AbortController();
  onStopRequest((request) => ending.abort(request));
  let outcome: DemoOutcome = { organizations: 0, readings: 0 };
  let exitCode = exitCodeFailed;
  try {
    const report = (latest: DemoOutcome) => {
      outcome = latest;
    };
    await showBill({ teardown, ending, report, once, faults });
    exitCode = isOk(outcome) ? 0 : exitCodeFailed;
    if (!once) await untilAborted(ending.signal);
  } catch (error) {
    exitCode = explain(ending.signal.aborted ? ending.signal.reason : error, { outcome, exitCode });
  } finally {
    ending.abort();
    await teardown.run();
  }
  console.log(verdictLine(outcome));
  return exitCode;
}

type Stage = {
  teardown: Teardown;
  ending: AbortController;
  report: (outcome: DemoOutcome) => void;
  once: boolean;
  faults: boolean;
};

async function showBill({ teardown, ending, report, once, faults }: Stage): Promise<void> {
  const { signal } = ending;
  const progress = createProgress(process.stdout, () => performance.now());
  teardown.add(async () => progress.end());
  progress.say("compiling");
  // A service may be running from dist/, and another demo from its own.
  const programFolder = await compilePrograms(".demo-");
  teardown.add(() => rm(programFolder, { recursive: true, force: true }));
  await copyWhereMissing(programFolder);
  const logFolder = await mkdtemp(join(tmpdir(), "meter-outbox-demo-"));
  const guard = startOrphanGuard({ foldersToRemove: [programFolder, logFolder] });
  teardown.add(async () => guard.dismiss());
  teardown.add(() => rm(logFolder, { recursive: true, force: true }));
  progress.say("starting an embedded Postgres, the API and the worker");
  progress.say(`their logs are in ${logFolder}`);
  const stack = await startStack({
    programFolder,
    logFolder,
    teardown,
    guard,
    signal,
    onDeath: (error) => ending.abort(error),
  });
  if (!once) progress.say(`${renderConsole(stack)}: watch the replay there`);
  const replay = { servers: stack, progress, signal, report, faults, paceMs: once ? 0 : watchedPaceMs };
  const { bill, statements } = await billReplay(replay);
  progress.say(`\n${renderBill(bill)}\nbilled: event summaries of the Stripe ${stack.stripe.kind}\n`);
  if (statements !== undefined) progress.say(`${renderStatements(statements)}\n`);
  if (!once) progress.say(`${renderPlaces(stack)}\n\nCtrl-C stops everything and removes its data.`);
}

/** Says why the demo ends, and returns the exit code. Being stopped after the bill is the way it should end. */
function explain(reason: unknown, { outcome, exitCode }: { outcome: DemoOutcome; exitCode: number }): number {
  if (reason instanceof StopRequest) {
    console.log(`${reason.message}; stopping everything`);
    return "bill" in outcome ? exitCode : exitCodeOfSignal[reason.signal];
  }
  console.error(`demo: ${describeFailure(reason)}`);
  return exitCodeFailed;
}
