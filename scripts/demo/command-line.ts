export type DemoFlags =
  | { kind: "run"; once: boolean; faults: boolean }
  | { kind: "help" }
  | { kind: "wrong"; argument: string };

export const demoUsage = `usage: npm run demo [-- --once] [-- --faults]
  --once    exit after the bill: 0 when every organization's bill equals its readings and sensors, else 1
  --faults  the simulator lags, forgets, and refuses some usage without naming it; the bill ends equal all the same
  --help    show this

STRIPE_SECRET_KEY=sk_test_… bills in that Stripe sandbox in place of the simulator.`;

/** Reads the demo's arguments; an unknown flag is wrong usage. */
export function readDemoFlags(args: readonly string[]): DemoFlags {
  const argument = args.find((word) => !["--once", "--faults", "--help", "-h"].includes(word));
  if (argument !== undefined) return { kind: "wrong", argument };
  if (args.includes("--help") || args.includes("-h")) return { kind: "help" };
  return { kind: "run", once: args.includes("--once"), faults: args.includes("--faults") };
}

export type DevFlags = { kind: "run" } | { kind: "help" } | { kind: "wrong"; argument: string };

export const devUsage = `usage: npm run dev
  --help    show this

It takes no other argument. STRIPE_SECRET_KEY=sk_test_… uses that Stripe sandbox in place of the simulator.`;

/** Reads the arguments of `npm run dev`, which has nothing to choose. */
export function readDevFlags(args: readonly string[]): DevFlags {
  const argument = args.find((word) => !["--help", "-h"].includes(word));
  if (argument !== undefined) return { kind: "wrong", argument };
  return { kind: args.length > 0 ? "help" : "run" };
}
