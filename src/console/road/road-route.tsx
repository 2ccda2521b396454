import type { ConsoleParts } from "../../api/console-parts.ts";
import { readRunningSums } from "../../reconciliation/running-sums.ts";
import type { ConsoleApp, ConsoleContext } from "../console-env.ts";
import { mayAct } from "../forms/act.ts";
import { showPage, showPart } from "../layout/show-page.tsx";
import { createSharedRead, liveLimits, withinWait } from "../shared-read.ts";
import { FigurePlots } from "./figure-plots.tsx";
import { readAttention } from "./read-attention.ts";
import { createPlotReads, spanOf } from "./read-plots.ts";
import { readRoad } from "./read-road.ts";
import { type Live, LivePart, RoadPage } from "./road-page.tsx";

/**
 * What needs attention, and Stripe's sums, are many reads: less often than the figures, and each a five-hundredth of a connection at
 * most, so that an open page keeps a hundredth of it busy in all.
 */
const seldomLimits = { reusedMs: 15_000, reusedPerDuration: 500, reusedMsMax: 180_000 };

/** It takes some thirty statements: where Postgres is slow, or a table is locked, the figures do not wait for them all. */
const defaultAttentionWaitMs = 2_000;

/** Adds the start page, and its parts that renew themselves. */
export function mountRoad(app: ConsoleApp, parts: ConsoleParts): void {
  const { db, now, billableStatuses, live = liveLimits, attentionWaitMs = defaultAttentionWaitMs } = parts;
  const readFigures = createSharedRead(() => readRoad(db), live);
  const readNeeds = withinWait(
    createSharedRead(() => readAttention(db, { billableStatuses, now: now() }), seldomLimits),
    attentionWaitMs,
  );
  const readSums = createSharedRead(() => readRunningSums(db, "temperature_readings"), seldomLimits);
  const readPlots = createPlotReads(db, live);

  async function readLive(c: ConsoleContext): Promise<Live> {
    const [figures, attention, sums] = [await readFigures(), await readNeeds(), await readSums()];
    return { figures, attention, sums, now: now(), mayAct: mayAct(c) };
  }

  app.get("/", async (c) => {
    const plots = await readPlots(spanOf(c.req.query("span")));
    const page = <RoadPage live={await readLive(c)} plots={plots} />;
    return showPage(c, { title: "The road", place: "road" }, page);
  });

  app.get("/road/live", async (c) => showPart(c, <LivePart live={await readLive(c)} />));

  app.get("/road/plots", async (c) => {
    const plots = await readPlots(spanOf(c.req.query("span")));
    // What is drawn already is not drawn again.
    if (c.req.query("until") === plots.until.toISOString()) return c.body(null, 204);
    return showPart(c, <FigurePlots plots={plots} />);
  });
}
