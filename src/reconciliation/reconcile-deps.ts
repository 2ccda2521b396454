import type { Db } from "../database/db.ts";
import type { WorkDeps } from "../queue/work-queue.ts";
import type { CloseDeps, CloseSettings } from "./close/close-periods.ts";
import type { DoubtDeps } from "./doubt/resolve-doubt.ts";
import type { Folding } from "./fold-window.ts";
import type { LookDeps } from "./look.ts";

/** Seconds, and reads a day; without a number of reads, a part of Stripe's quota. */
export type ReconcileSettings = CloseSettings & {
  readsPerDay: number | undefined;
  settleSeconds: number;
  absenceSeconds: number;
} & Folding;

/** The dependencies of a worker's comparison with Stripe's sums. */
export type ReconcileDeps = WorkDeps & { db: Db } & Pick<LookDeps, "reads" | "eventNames"> &
  Pick<CloseDeps, "reads" | "stripeNowMs" | "askedInVain" | "onGate"> &
  Pick<DoubtDeps, "refusedSums" | "triedSums">;
