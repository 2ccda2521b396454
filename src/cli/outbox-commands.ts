import type { Command } from "commander";
import { pauseDelivery, resumeDelivery } from "../delivery/pauses.ts";
import { requestSeal } from "../outbox/seal-job.ts";
import { askWorker } from "./ask-worker.ts";
import type { CommandTools } from "./command-tools.ts";
import { showOutbox } from "./outbox-status.ts";
import type { Outcome } from "./outcome.ts";
import { parsedBy } from "./parsed-by.ts";
import { reasonSchema } from "./reason.ts";
import type { Run } from "./run.ts";

/** Adds `outbox status`, `seal`, `pause` and `resume`. */
export function addOutboxCommands(program: Command, run: Run): void {
  program
    .command("outbox")
    .description("usage on its way to Stripe")
    .command("status")
    .description("show what waits, what was delivered, and what is paused")
    .action(() => run(({ db }) => showOutbox(db)));
  program
    .command("seal")
    .description("ask a worker to seal all due entries now, even while sending is paused")
    .action(() => run(seal));
  program
    .command("pause")
    .description("stop sending to Stripe until resumed; usage goes on being accepted")
    .requiredOption("--reason <reason>", "why, for whoever looks", parsedBy(reasonSchema))
    .action(({ reason }: { reason: string }) => run((tools) => pause(tools, reason)));
  program
    .command("resume")
    .description("go on sending, whatever paused it")
    .action(() => run(resume));
}

async function seal({ db, openBoss }: CommandTools): Promise<Outcome> {
  await requestSeal(await openBoss());
  return askWorker(db, { now: "a worker will seal at once", later: "seal" });
}

async function pause({ db }: CommandTools, reason: string): Promise<Outcome> {
  await pauseDelivery(db, reason);
  return { kind: "done", document: { paused: true, reason }, text: "paused" };
}

async function resume({ db }: CommandTools): Promise<Outcome> {
  await resumeDelivery(db);
  return { kind: "done", document: { paused: false }, text: "resumed" };
}
