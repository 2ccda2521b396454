import { type Command, Option } from "commander";
import { actAs } from "../actions/operator-actions.ts";
import { account, pauseDelivery, resumeDelivery } from "../delivery/pauses.ts";
import { requestSeal } from "../outbox/seal-job.ts";
import { askWorker } from "./ask-worker.ts";
import type { CommandTools } from "./command-tools.ts";
import { showOutbox } from "./outbox-status.ts";
import type { Outcome } from "./outcome.ts";
import { parsedBy } from "./parsed-by.ts";
import { reasonSchema } from "./reason.ts";
import type { Run } from "./run.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";

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
    .addOption(new Option("--meter <meter>", "only what is of this meter").choices(meterNames))
    .action((options: { reason: string; meter?: MeterName }) => run((tools) => pause(tools, options)));
  program
    .command("resume")
    .description("go on sending, whatever paused it")
    .action(() => run(resume));
}

async function seal({ db, operator, openBoss }: CommandTools): Promise<Outcome> {
  const boss = await openBoss();
  await actAs(
    { db, operator },
    () => requestSeal(boss),
    () => ({ action: "seal" }),
  );
  return askWorker(db, { now: "a worker will seal at once", later: "seal" });
}

async function pause(
  tools: CommandTools,
  { reason, meter }: { reason: string; meter?: MeterName },
): Promise<Outcome> {
  await actAs(
    tools,
    (trx) => pauseDelivery(trx, reason, meter),
    () => ({ action: "pause_delivery", subject: meter ?? account, reason }),
  );
  return { kind: "done", document: { paused: true, reason }, text: "paused" };
}

async function resume(tools: CommandTools): Promise<Outcome> {
  await actAs(
    tools,
    (trx) => resumeDelivery(trx),
    (affected) => ({ action: "resume_delivery", affected }),
  );
  return { kind: "done", document: { paused: false }, text: "resumed" };
}
