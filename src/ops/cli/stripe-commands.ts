import type { Command } from "commander";
import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";
import { replayEvents } from "./replay-events.ts";
import type { Run } from "./run.ts";
import { parseSince } from "./since.ts";
import { setUpStripe } from "./set-up-stripe.ts";

/** Adds `stripe setup` and `replay`. */
export function addStripeCommands(program: Command, run: Run): void {
  const stripe = program.command("stripe").description("the account at Stripe");
  stripe
    .command("setup")
    .description("find, create or reactivate both meters; safe to repeat")
    .action(() => run(setUpStripe));
  stripe
    .command("replay")
    .description("read Stripe's events and store those that never arrived; safe to repeat")
    .requiredOption("--since <time>", "an RFC 3339 time, or how long ago: 90m, 24h, 7d; 30 days at most")
    .action(({ since }: { since: string }) => run((tools) => replay(tools, since)));
}

async function replay(tools: CommandTools, text: string): Promise<Outcome> {
  const since = parseSince(text, tools.now());
  if (since.kind === "refused") return { kind: "wrong_usage", message: `--since ${since.reason}` };
  return replayEvents(tools, since.at);
}
