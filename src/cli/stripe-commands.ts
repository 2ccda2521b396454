import type { Command } from "commander";
import { z } from "zod";
import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";
import { replayEvents } from "./replay-events.ts";
import type { Run } from "./run.ts";
import { parseSince } from "./since.ts";
import { parsedBy } from "./parsed-by.ts";
import { setUpStripe, type SetUpOptions } from "./set-up-stripe.ts";

const parseAmount = parsedBy(
  z.string().regex(/^\d{1,12}(?:\.\d{1,12})?$/, "must be a plain decimal, such as 0.02"),
);

const parseCurrency = parsedBy(z.string().regex(/^[a-z]{3}$/i, "must be three letters, such as usd"));

/** Adds `stripe setup` and `replay`. */
export function addStripeCommands(program: Command, run: Run): void {
  const stripe = program.command("stripe").description("the account at Stripe");
  stripe
    .command("setup")
    .description("find, create or reactivate both meters, and what is asked for; safe to repeat")
    .option(
      "--webhook <url>",
      "also a webhook endpoint and an event destination that lead there; tells their secrets once",
    )
    .option("--prices", "also a product with a metered price for each meter that has none")
    .option("--currency <code>", "of new prices; usd unless told", parseCurrency)
    .option(
      "--reading-amount <amount>",
      "of a new price for a reading, in the currency's smallest unit",
      parseAmount,
    )
    .option("--sensor-amount <amount>", "of a new price for an active sensor and month, alike", parseAmount)
    .action((options: SetUpOptions) => run((tools) => setUpStripe(tools, options)));
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
